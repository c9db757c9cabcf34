//! An API server, a router and a node.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use isthmus_local_apiserver::{ApiServer, CancellationToken, Limits, Pki};
use isthmus_local_callout::HostDial;
use isthmus_local_kubelet::{ContainerRef, ExecOptions, LogOptions, Runtime, RuntimeError};
use isthmus_local_node::{Config, Images, Node, RestartDelays, Router, RouterConfig};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

struct Programs;

impl Images for Programs {
    fn command(&self, image: &str) -> Option<Vec<OsString>> {
        (image == "test/app").then(|| vec![std::env::current_exe().unwrap().into(), "app".into()])
    }
}

pub(crate) struct Cluster {
    pub(crate) client: kube::Client,
    pub(crate) node: Node,
    pub(crate) router: Arc<Router>,
    stop: CancellationToken,
}

impl Cluster {
    pub(crate) async fn start(state: &Path) -> Self {
        Self::numbered(state, "test", 0).await
    }

    /// With a name and networks of its own, to be joined with others.
    pub(crate) async fn numbered(state: &Path, name: &str, number: u8) -> Self {
        let range = |text: String| text.parse().unwrap();
        let (pods, services) = (42 + 2 * number, 43 + 2 * number);
        let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let server = ApiServer::new(isthmus_local_apiserver::Config {
            data_dir: None,
            pki: Pki::load_or_create(None, &["localhost".into()], &["127.0.0.1".parse().unwrap()]).unwrap(),
            service_cidr: format!("10.{services}.0.0/16").parse().unwrap(),
            pod_dialer: Arc::new(HostDial),
            limits: Limits::default(),
        })
        .unwrap();
        let stop = CancellationToken::new();
        let (serving, until) = (server.clone(), stop.clone());
        tokio::spawn(async move { serving.serve(listener, until).await });
        let kubeconfig = Kubeconfig::from_yaml(&server.kubeconfig(&url)).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let client = kube::Client::try_from(config).unwrap();
        let router = Arc::new(
            Router::create(
                name,
                RouterConfig {
                    pod_cidr: range(format!("10.{pods}.0.0/16")),
                    service_cidr: range(format!("10.{services}.0.0/16")),
                    balancer_cidr: range(format!("100.64.{number}.0/24")),
                    dns_ip: [10, services, 0, 10].into(),
                },
            )
            .await
            .unwrap(),
        );
        let node = start_node(&client, &router, state).await;
        Cluster { client, node, router, stop }
    }

    /// The node goes, and another takes its place: the same API server, the same router.
    pub(crate) async fn restart_node(self, state: &Path) -> Self {
        self.node.shutdown(Duration::from_secs(10)).await;
        let node = start_node(&self.client, &self.router, state).await;
        Cluster { node, ..self }
    }

    pub(crate) async fn stop(self) {
        self.node.shutdown(Duration::from_secs(10)).await;
        self.stop.cancel();
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), "default")
    }

    /// Creates anything.
    pub(crate) async fn create(&self, path: &str, object: Value) -> Value {
        self.send("POST", path, object).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, object: Value) -> Value {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = http::Request::builder().method(method).uri(path).header("content-type", kind);
        self.client.request(request.body(object.to_string().into_bytes()).unwrap()).await.unwrap()
    }

    /// Creates a pod on the node.
    pub(crate) async fn pod(&self, name: &str, mut spec: Value) -> Pod {
        spec["nodeName"] = json!("node");
        let pod = json!({"metadata": {"name": name, "labels": {"app": name}}, "spec": spec});
        self.pods().create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap()
    }

    /// Waits until the pod is as wanted, and shows what it was last when it doesn't become so.
    pub(crate) async fn until(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + LIMIT;
        let mut seen = Value::Null;
        while Instant::now() < end {
            seen = serde_json::to_value(self.pods().get_opt(name).await.unwrap()).unwrap();
            if wanted(&seen) {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("pod {name} never became as wanted: {}", serde_json::to_string_pretty(&seen["status"]).unwrap());
    }

    pub(crate) async fn phase(&self, name: &str, phase: &str) -> Value {
        self.until(name, |pod| pod["status"]["phase"] == phase).await
    }

    pub(crate) async fn ready(&self, name: &str) -> Value {
        self.until(name, |pod| condition(pod, "Ready") == "True").await
    }

    pub(crate) async fn gone(&self, name: &str) {
        self.until(name, Value::is_null).await;
    }

    pub(crate) async fn logs(&self, pod: &str, container: &str, options: LogOptions) -> String {
        let mut pieces = self.node.runtime().logs(&reference(pod, container), options).await.unwrap();
        let mut text = Vec::new();
        while let Some(piece) = pieces.next().await {
            text.extend(piece.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    pub(crate) async fn exec(&self, pod: &str, container: &str, argv: &[&str], tty: bool) -> (i32, String) {
        self.try_exec(pod, container, argv, tty).await.unwrap()
    }

    pub(crate) async fn try_exec(
        &self,
        pod: &str,
        container: &str,
        argv: &[&str],
        tty: bool,
    ) -> Result<(i32, String), RuntimeError> {
        let options = ExecOptions { stdin: false, stdout: true, stderr: false, tty };
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        let process = self.node.runtime().exec(&reference(pod, container), argv, options).await?;
        let mut text = String::new();
        process.stdout.unwrap().read_to_string(&mut text).await.unwrap();
        Ok((process.exit.await, text))
    }

    /// Messages of a pod's Events with this reason.
    pub(crate) async fn events(&self, pod: &str, reason: &str) -> Vec<String> {
        let list: Value = self.send("GET", "/api/v1/namespaces/default/events", Value::Null).await;
        let items = list["items"].as_array().unwrap();
        let about = items.iter().filter(|event| event["involvedObject"]["name"] == pod && event["reason"] == reason);
        about.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) fn reference(pod: &str, container: &str) -> ContainerRef {
    ContainerRef { namespace: "default".into(), pod: pod.into(), container: container.into() }
}

pub(crate) fn condition<'a>(pod: &'a Value, kind: &str) -> &'a str {
    let conditions = pod["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().find(|condition| condition["type"] == kind).and_then(|c| c["status"].as_str()).unwrap_or_default()
}

async fn start_node(client: &kube::Client, router: &Arc<Router>, state: &Path) -> Node {
    let helper = vec![std::env::current_exe().unwrap().into(), "pod-helper".into()];
    let mut config = Config::new("node", client.clone(), state.join("node"), Arc::new(Programs), helper);
    config.restart_delays =
        RestartDelays { first: Duration::from_millis(300), longest: Duration::from_secs(1), forget_after: LIMIT };
    Node::start(config, Arc::clone(router)).await.unwrap()
}
