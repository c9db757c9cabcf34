//! A whole cluster: its parts in the order of their start, and of their end.

mod addresses;
mod error;
mod state;

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use isthmus_local_apiserver::Pki;
use isthmus_local_kubelet::{Server, ServerConfig};
use isthmus_local_node::{Images, Node, Router};
use k8s_openapi::api::core::v1::{Node as NodeObject, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::control_plane::{ControlPlane, Setup};
use crate::controllers;
use addresses::Addresses;
pub use error::Error;
use state::StateDir;

/// The kubelet API's port on the router.
const KUBELET_PORT: u16 = 10250;
/// Time for each part to be ready. Machines that build at the same time are slow.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Is told of each step when it is done: what, and how long it took.
pub type Progress = Arc<dyn Fn(&str, Duration) + Send + Sync>;

/// What a cluster is made of.
#[derive(Clone)]
pub struct ClusterConfig {
    /// Names it among the clusters of this user: up to 40 of a-z, 0-9 and `-`.
    pub name: String,
    /// Its number, 0 to 106, among clusters that are to reach each other: it gives pods 10.(42+2i).0.0/16, Services 10.(43+2i).0.0/16, and
    /// LoadBalancer Services 100.64.i.0/24.
    pub index: u8,
    /// Keeps objects and keys over restarts; none keeps them in memory.
    pub data_dir: Option<PathBuf>,
    /// Of this cluster alone: lock, kubeconfig, volumes, logs. None: `$XDG_STATE_HOME/isthmus/<name>`, or below `~/.local/state`.
    pub state_dir: Option<PathBuf>,
    /// The API server's port on 127.0.0.1; 0 picks a free one.
    pub api_port: u16,
    /// The programs behind images other than `local/<program>`.
    pub images: Arc<dyn Images>,
    /// The command line that runs [`isthmus_local_node::helper_main`] with further arguments: this program, and a hidden subcommand.
    pub helper: Vec<OsString>,
    /// Hears of each step.
    pub progress: Progress,
}

impl ClusterConfig {
    /// A cluster in memory with number 0, any port, the default directory, and nobody listening to its steps.
    pub fn new(name: impl Into<String>, images: Arc<dyn Images>, helper: Vec<OsString>) -> Self {
        ClusterConfig {
            name: name.into(),
            index: 0,
            data_dir: None,
            state_dir: None,
            api_port: 0,
            images,
            helper,
            progress: Arc::new(|_, _| {}),
        }
    }
}

impl fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterConfig").field("name", &self.name).field("index", &self.index).finish_non_exhaustive()
    }
}

/// A running cluster. Dropped without [`Cluster::shutdown`] it ends at once, pods included.
pub struct Cluster {
    name: String,
    url: String,
    kubeconfig: String,
    client: Client,
    node: Node,
    router: Arc<Router>,
    control_plane: ControlPlane,
    /// Controllers and the kubelet API.
    tasks: Vec<TaskTracker>,
    /// Ends them.
    stop: DropGuard,
    state: StateDir,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("name", &self.name).field("url", &self.url).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Starts all parts, and returns when pods can be applied.
    ///
    /// The process must be able to make namespaces: call [`isthmus_local_node::enter_user_namespace_if_needed`] before the runtime starts.
    ///
    /// # Errors
    /// [`Error`] says which part, and what to do about it. What was started has ended then.
    pub async fn start(config: ClusterConfig) -> Result<Self, Error> {
        let steps = Steps { progress: config.progress.clone(), begun: Instant::now() };
        let addresses = Addresses::of(config.index)?;
        let state = StateDir::claim(config.state_dir.as_deref(), &config.name)?;
        let router = Router::create(&config.name, addresses.router()).await.map_err(Error::Network)?;
        let router = Arc::new(router);
        let mut steps = steps.next("network for pods");

        let pki_dir = config.data_dir.as_ref().map(|dir| dir.join("pki"));
        let setup = Setup {
            pki_dir,
            data_dir: config.data_dir.clone(),
            state_dir: state.path().to_owned(),
            port: config.api_port,
            router: router.clone(),
            service_cidr: addresses.services().to_string(),
            names: server_names(),
            addresses: vec![Ipv4Addr::LOCALHOST.into(), router.address().into(), addresses.kubernetes().into()],
        };
        let control_plane = ControlPlane::start(setup).await?;
        let client = client(control_plane.kubeconfig()).await?;
        until("the API server", || async { Ok(client.apiserver_version().await.is_ok()) }).await?;
        steps = steps.next(&format!("API server on {}", control_plane.url()));

        let node_name = node_name(&config.name);
        let node = isthmus_local_node::Config {
            kubelet_port: KUBELET_PORT,
            ..isthmus_local_node::Config::new(
                &node_name,
                client.clone(),
                state.path().join("node"),
                config.images.clone(),
                config.helper.clone(),
            )
        };
        let node = Node::start(node, router.clone()).await?;
        let token = CancellationToken::new();
        let stop = token.clone().drop_guard();
        let kubelet = kubelet(&node, &node_name, &router, control_plane.pki(), token.clone()).await?;
        let settings = controllers::Config {
            client: client.clone(),
            root_ca: control_plane.pki().ca_pem().to_owned(),
            api: control_plane.announce().then(|| SocketAddrV4::new(router.address(), control_plane.router_port())),
            node: node_name.clone(),
            balancers: addresses.balancers(),
        };
        let controllers = controllers::start(settings, &token);
        let cluster = Cluster {
            name: config.name,
            url: control_plane.url().to_owned(),
            kubeconfig: control_plane.kubeconfig().to_owned(),
            client,
            node,
            router,
            control_plane,
            tasks: vec![controllers, kubelet],
            stop,
            state,
        };
        if let Err(error) = cluster.ready(&node_name, steps).await {
            cluster.shutdown(Duration::from_secs(5)).await;
            return Err(error);
        }
        Ok(cluster)
    }

    async fn ready(&self, node: &str, mut steps: Steps) -> Result<(), Error> {
        let nodes: Api<NodeObject> = Api::all(self.client.clone());
        until("the node", || async { Ok(nodes.get_opt(node).await?.is_some_and(|node| is_ready(&node))) }).await?;
        steps = steps.next("node ready");
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), "default");
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), "default");
        until("the controllers", || async {
            let account = accounts.get_opt("default").await?.is_some();
            Ok(account && slices.get_opt("kubernetes").await?.is_some())
        })
        .await?;
        self.state.write_kubeconfig(&self.kubeconfig)?;
        steps.next("controllers ready");
        Ok(())
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The API server's URL, as this machine reaches it.
    pub fn api_url(&self) -> &str {
        &self.url
    }

    /// The administrator's kubeconfig, for `KUBECONFIG`. The file goes with the cluster.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.state.kubeconfig()
    }

    /// The administrator's kubeconfig as YAML. A secret.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// A client with the administrator's rights.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The network namespace in which pods meet: a way for this process to reach them.
    pub fn router(&self) -> &Arc<Router> {
        &self.router
    }

    /// Joins two clusters' networks: pods of each reach LoadBalancer Services of the other, and nothing else there.
    ///
    /// # Errors
    /// The names and numbers of both must differ.
    pub async fn join(&self, other: &Cluster) -> Result<(), Error> {
        self.router.join(&other.router).await.map_err(Error::Join)
    }

    /// The cluster's own directory.
    pub fn state_dir(&self) -> &Path {
        self.state.path()
    }

    /// Ends everything in order: controllers, pods (which get `deadline` to end by themselves), the API server. Objects in a data
    /// directory stay.
    pub async fn shutdown(self, deadline: Duration) {
        // Controllers first: what the end of pods looks like is no reason to start others.
        drop(self.stop);
        for tasks in &self.tasks {
            tasks.close();
            let _late = tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await;
        }
        self.node.shutdown(deadline).await;
        self.control_plane.shutdown().await;
        self.state.remove();
    }
}

/// The kubelet API over the node.
async fn kubelet(
    node: &Node,
    name: &str,
    router: &Router,
    pki: &Pki,
    stop: CancellationToken,
) -> Result<TaskTracker, Error> {
    let address = router.address();
    let serving = pki.issue_server(&format!("system:node:{name}"), &[name.to_owned()], &[address.into()])?;
    let config = ServerConfig {
        certificate: serving.certificate.clone(),
        key: serving.key.clone(),
        client_ca: pki.ca_pem().to_owned(),
        client_name: "kube-apiserver-kubelet-client".into(),
    };
    let server = Server::new(&config, Arc::new(node.runtime()))?;
    let listener = router.tcp_listen((address, KUBELET_PORT).into()).await.map_err(Error::Network)?;
    let tasks = TaskTracker::new();
    tasks.spawn(server.serve(listener, stop));
    Ok(tasks)
}

/// Names of the API server's certificate.
fn server_names() -> Vec<String> {
    ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
        .map(str::to_owned)
        .to_vec()
}

fn node_name(cluster: &str) -> String {
    format!("{cluster}-node")
}

fn is_ready(node: &NodeObject) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

async fn client(kubeconfig: &str) -> Result<Client, Error> {
    let parsed = Kubeconfig::from_yaml(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// Asks until the answer is yes. An error may pass; the last one is told when time is up.
async fn until<F>(what: &'static str, ask: impl Fn() -> F) -> Result<(), Error>
where
    F: Future<Output = Result<bool, kube::Error>>,
{
    let end = tokio::time::Instant::now() + READY_WITHIN;
    loop {
        let answer = match tokio::time::timeout_at(end, ask()).await {
            Ok(Ok(true)) => return Ok(()),
            Ok(answer) => answer.err().map(Box::new),
            Err(_) => None,
        };
        if tokio::time::Instant::now() >= end {
            return Err(Error::NotReady { what, within: READY_WITHIN, source: answer });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Tells of steps as they are done.
struct Steps {
    progress: Progress,
    begun: Instant,
}

impl Steps {
    fn next(self, done: &str) -> Self {
        (self.progress)(done, self.begun.elapsed());
        Steps { begun: Instant::now(), ..self }
    }
}
