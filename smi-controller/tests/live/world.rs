//! An API server and a controller on loopback, in this process, for one test.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use isthmus_core::id::TrustDomain;
use isthmus_local_apiserver::{ApiServer, Config as ApiConfig, Limits, Pki};
use isthmus_local_callout::Dial;
use isthmus_smi_controller::{Config, Error, METRICS_API_PORT, WEBHOOK_PORT, install, run_with};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes every address of the cluster for the controller: there is no other.
struct ToController {
    webhooks: SocketAddr,
    metrics_api: SocketAddr,
}

impl Dial for ToController {
    fn dial(&self, addr: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(if addr.port() == METRICS_API_PORT { self.metrics_api } else { self.webhooks }))
    }
}

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) config: Config,
    stop_api: CancellationToken,
    controller: Option<(CancellationToken, JoinHandle<Result<(), Error>>)>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::of("isthmus").await
    }

    /// The mesh of this name, of trust domain `<name>.local`.
    pub(crate) async fn of(mesh: &str) -> Self {
        let mut config = Config::new(TrustDomain::new(&format!("{mesh}.local")).unwrap());
        config.mesh = mesh.to_owned();
        (config.grpc_addr, config.webhook_addr) = (free_port(), free_port());
        config.metrics_api_addr = free_port();
        config.admin_addr = Some(free_port());
        config.bundle_addr = Some(free_port());
        let api = ApiServer::new(ApiConfig {
            data_dir: None,
            pki: Pki::load_or_create(None, &["localhost".to_owned()], &[LOOPBACK]).unwrap(),
            service_cidr: "10.43.0.0/16".parse().unwrap(),
            pod_dialer: Arc::new(ToController { webhooks: config.webhook_addr, metrics_api: config.metrics_api_addr }),
            limits: Limits::default(),
        })
        .unwrap();
        let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let kubeconfig = Kubeconfig::from_yaml(&api.kubeconfig(&url)).unwrap();
        let stop_api = CancellationToken::new();
        let stopped = stop_api.clone();
        tokio::spawn(async move { api.serve(listener, stopped).await });
        let options = KubeConfigOptions::default();
        let client_config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        let client = Client::try_from(client_config).unwrap();
        let mut world = Self { client, config, stop_api, controller: None };
        for crd in isthmus_k8s::crds() {
            world.apply(serde_json::to_value(crd).unwrap()).await;
        }
        for manifest in install::manifests(&install::InstallConfig::default()) {
            world.apply(manifest).await;
        }
        let mut own = slice("isthmus-system", "isthmus-controller", "c-1", "10.42.0.2", WEBHOOK_PORT);
        let metrics_api = json!({"name": "metrics-api", "port": METRICS_API_PORT, "protocol": "TCP"});
        own["ports"].as_array_mut().unwrap().push(metrics_api);
        world.apply(own).await;
        world.run().await;
        world
    }

    async fn run(&mut self) {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run_with(self.config.clone(), self.client.clone(), stop.clone()));
        self.controller = Some((stop, task));
        let admin = self.config.admin_addr.unwrap();
        self.until("the controller is ready", async || is_ready(admin).await.unwrap_or(false)).await;
    }

    async fn end(&mut self) {
        if let Some((stop, task)) = self.controller.take() {
            stop.cancel();
            task.await.unwrap().unwrap();
        }
    }

    pub(crate) async fn restart(&mut self) {
        self.end().await;
        self.run().await;
    }

    pub(crate) async fn stop(&mut self) {
        self.end().await;
        self.stop_api.cancel();
    }

    pub(crate) async fn apply(&self, manifest: Value) {
        let what = format!("{} {}", manifest["kind"], manifest["metadata"]["name"]);
        let patience = async {
            loop {
                match self.try_apply(manifest.clone()).await {
                    Ok(_) => return,
                    // A kind whose definition is a moment old.
                    Err(kube::Error::Api(status)) if status.code == 404 => tokio::task::yield_now().await,
                    Err(error) => panic!("{what}: {error}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, patience).await.expect(&what);
    }

    pub(crate) async fn try_apply(&self, manifest: Value) -> Result<DynamicObject, kube::Error> {
        let (group, version) = manifest["apiVersion"]
            .as_str()
            .unwrap()
            .split_once('/')
            .unwrap_or(("", manifest["apiVersion"].as_str().unwrap()));
        let kind = manifest["kind"].as_str().unwrap();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = match manifest["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let name = manifest["metadata"]["name"].as_str().unwrap();
        api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&manifest)).await
    }

    pub(crate) async fn set_pod_ip(&self, name: &str, ip: &str) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), "shop");
        let status =
            json!({"status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "10.42.0.1"}});
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    }

    pub(crate) async fn cluster_ip(&self, service: &str) -> String {
        let services: Api<Service> = Api::namespaced(self.client.clone(), "shop");
        services.get(service).await.unwrap().spec.unwrap().cluster_ip.unwrap()
    }

    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let wait = async {
            let mut look = tokio::time::interval(Duration::from_millis(20));
            loop {
                look.tick().await;
                if holds().await {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
    }
}

async fn is_ready(admin: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nhost: controller\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

/// An address that nobody has, and that no outgoing connection is given: those are above.
pub(crate) fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let (first, count) = (20_000, 12_000);
    let start = u16::try_from(std::process::id() % u32::from(count)).unwrap();
    let candidates = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed)).take(count.into());
    let mut addresses = candidates.map(|n| SocketAddr::from((LOOPBACK, first + (start + n) % count)));
    addresses.find(|addr| std::net::TcpListener::bind(addr).is_ok()).expect("no port is free")
}

pub(crate) fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
}

pub(crate) fn slice(namespace: &str, service: &str, pod: &str, ip: &str, port: u16) -> Value {
    let name = if port == WEBHOOK_PORT { "webhooks" } else { "http" };
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": format!("{service}-1"), "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
        "ports": [{"name": name, "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ip], "conditions": {"ready": true},
            "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod}}]})
}

pub(crate) fn pod(name: &str, account: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"serviceAccountName": account,
            "initContainers": [{"name": "isthmus-proxy", "image": "isthmus/proxy", "restartPolicy": "Always"}],
            "containers": [{"name": "app", "image": "isthmus/app"}]}})
}
