//! The cluster: an API server in this process, with everything that the controller looks at.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use isthmus_local_apiserver::{ApiServer, CancellationToken, Config, Limits, Pki};
use isthmus_local_callout::Dial;
use isthmus_smi_controller::install;
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{Pod, Service, ServiceAccount},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::controller::free_port;

/// Where everything is.
pub(crate) const NAMESPACE: &str = "bench";
/// The ServiceAccount of every pod.
pub(crate) const ACCOUNT: &str = "app";
/// The Service that every proxy calls.
pub(crate) const POPULAR: u32 = 0;
/// One that few call.
pub(crate) const QUIET: u32 = 7;
/// One in so many Services is split.
const SPLIT_EACH: u32 = 10;
/// Pods behind a Service.
const ENDPOINTS: u32 = 3;
/// Of a pod.
pub(crate) const PORT: u16 = 8080;
/// Requests to the API server at a time.
const CONCURRENT: usize = 16;
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Takes every address of the cluster for the controller's webhooks: there is no other.
struct ToWebhooks(SocketAddr);

impl Dial for ToWebhooks {
    fn dial(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(self.0))
    }
}

/// A running cluster.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) kubeconfig: String,
    /// Where the controller is to answer reviews.
    pub(crate) webhook: SocketAddr,
    pods: u32,
    /// Cluster addresses by Service.
    addresses: Vec<String>,
}

impl Cluster {
    /// Starts it and writes every object. The webhooks have no roots yet and are passed over.
    pub(crate) async fn start(services: u32, pods: u32) -> anyhow::Result<Self> {
        let webhook = free_port()?;
        let api = ApiServer::new(Config {
            data_dir: None,
            pki: Pki::load_or_create(None, &["localhost".to_owned()], &[LOOPBACK])?,
            service_cidr: "10.43.0.0/16".parse()?,
            pod_dialer: Arc::new(ToWebhooks(webhook)),
            limits: Limits::default(),
        })?;
        let listener = TcpListener::bind((LOOPBACK, 0)).await?;
        let kubeconfig = api.kubeconfig(&format!("https://{}", listener.local_addr()?));
        tokio::spawn(async move { api.serve(listener, CancellationToken::new()).await });
        let parsed = Kubeconfig::from_yaml(&kubeconfig)?;
        let client = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(client)?;
        let mut cluster = Self { client, kubeconfig, webhook, pods, addresses: Vec::new() };
        for crd in isthmus_k8s::crds() {
            cluster.apply(serde_json::to_value(crd)?).await?;
        }
        for manifest in install::manifests(&install::InstallConfig::default()) {
            cluster.apply(manifest).await?;
        }
        cluster
            .apply(slice("isthmus-system", "isthmus-controller", "webhooks", 9443, &[(0, "10.42.255.2".into())]))
            .await?;
        cluster.populate(services).await?;
        Ok(cluster)
    }

    async fn populate(&mut self, services: u32) -> anyhow::Result<()> {
        let pods = self.pods;
        self.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})).await?;
        self.apply(object("v1", "ServiceAccount", ACCOUNT, json!({}))).await?;
        self.all((0..pods).map(pod)).await?;
        let api: &Api<Pod> = &Api::namespaced(self.client.clone(), NAMESPACE);
        let statuses = (0..pods).map(|i| async move {
            let ip = pod_ip(i);
            let status =
                json!({"status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "10.42.255.1"}});
            api.patch_status(&pod_name(i), &PatchParams::default(), &Patch::Merge(status)).await.map(drop)
        });
        stream::iter(statuses).buffer_unordered(CONCURRENT).try_collect::<()>().await?;
        self.all((0..services).map(service)).await?;
        self.all((0..services).map(|i| self.endpoints(i, None))).await?;
        let splits = (0..services).filter(|i| i % SPLIT_EACH == 0 || *i == QUIET);
        self.all(
            splits
                .map(|i| object("split.smi-spec.io/v1alpha4", "TrafficSplit", &service_name(i), split(i, 1, services))),
        )
        .await?;
        let account = json!({"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE});
        let target =
            json!({"destination": account, "sources": [account], "rules": [{"kind": "HTTPRouteGroup", "name": "all"}]});
        let group = json!({"matches": [{"name": "all", "pathRegex": "/.*", "methods": ["*"]}]});
        self.apply(object("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", "all", group)).await?;
        self.apply(object("access.smi-spec.io/v1alpha4", "TrafficTarget", "all", target)).await?;
        let api: Api<Service> = Api::namespaced(self.client.clone(), NAMESPACE);
        let mut addresses = std::collections::HashMap::new();
        for service in api.list(&Default::default()).await? {
            addresses.insert(service.name_any(), service.spec.and_then(|spec| spec.cluster_ip).unwrap_or_default());
        }
        let known = |i| addresses.get(&service_name(i)).cloned().context("a Service without an address");
        self.addresses = (0..services).map(known).collect::<anyhow::Result<_>>()?;
        Ok(())
    }

    async fn all(&self, manifests: impl Iterator<Item = Value>) -> anyhow::Result<()> {
        let applied = manifests.map(|manifest| self.apply(manifest));
        stream::iter(applied).buffer_unordered(CONCURRENT).try_collect::<()>().await
    }

    async fn apply(&self, manifest: Value) -> anyhow::Result<()> {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = match text("/metadata/namespace") {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        };
        // A kind whose definition is a moment old is not served yet.
        let mut left = 100;
        loop {
            match api.patch(name, &PatchParams::apply("bench").force(), &Patch::Apply(&manifest)).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 404 && left > 0 => left -= 1,
                Err(error) => return Err(error).with_context(|| format!("{kind} {name}")),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The EndpointSlice of a Service, with one more address if there is one.
    pub(crate) fn endpoints(&self, service: u32, more: Option<String>) -> Value {
        let pods = (0..ENDPOINTS.min(self.pods)).map(|j| (service + j) % self.pods);
        let mut pods: Vec<(u32, String)> = pods.map(|pod| (pod, pod_ip(pod))).collect();
        pods.extend(more.map(|address| (0, address)));
        slice(NAMESPACE, &service_name(service), "http", PORT, &pods)
    }

    /// The number of Services.
    pub(crate) fn services(&self) -> u32 {
        u32::try_from(self.addresses.len()).unwrap_or(u32::MAX)
    }

    /// The cluster address of a Service.
    pub(crate) fn address(&self, service: u32) -> anyhow::Result<&str> {
        self.addresses.get(service as usize).map(String::as_str).context("no such Service")
    }

    /// A token of a pod, as the kubelet would project it.
    pub(crate) async fn token(&self, pod: u32) -> anyhow::Result<String> {
        let (name, pods) = (pod_name(pod), Api::<Pod>::namespaced(self.client.clone(), NAMESPACE));
        let bound = BoundObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            uid: pods.get(&name).await?.uid(),
            name: Some(name),
        };
        let spec = TokenRequestSpec {
            audiences: vec!["isthmus".into()],
            bound_object_ref: Some(bound),
            expiration_seconds: Some(3600),
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), NAMESPACE);
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = accounts.create_token_request(ACCOUNT, &Default::default(), &request).await?;
        Ok(answer.status.context("no token")?.token)
    }
}

pub(crate) fn service_name(i: u32) -> String {
    format!("s{i}")
}

pub(crate) fn pod_name(i: u32) -> String {
    format!("p{i}")
}

fn pod_ip(i: u32) -> String {
    format!("10.42.{}.{}", i / 250, i % 250 + 1)
}

/// A split of Service `i` between itself and its neighbour.
pub(crate) fn split(i: u32, weight: u32, services: u32) -> Value {
    let backend = |i: u32, weight: u32| json!({"service": service_name(i), "weight": weight});
    json!({"service": service_name(i), "backends": [backend(i, 1), backend((i + 1) % services, weight)]})
}

fn object(version: &str, kind: &str, name: &str, spec: Value) -> Value {
    let metadata = json!({"name": name, "namespace": NAMESPACE});
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
}

fn service(i: u32) -> Value {
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8080}]);
    object("v1", "Service", &service_name(i), json!({"ports": ports}))
}

fn pod(i: u32) -> Value {
    let spec = json!({
        "serviceAccountName": ACCOUNT,
        "initContainers": [{"name": "isthmus-proxy", "image": "isthmus/proxy", "restartPolicy": "Always"}],
        "containers": [{"name": "app", "image": "isthmus/app"}]
    });
    object("v1", "Pod", &pod_name(i), spec)
}

fn slice(namespace: &str, service: &str, port_name: &str, port: u16, pods: &[(u32, String)]) -> Value {
    let endpoint = |(pod, ip): &(u32, String)| {
        let target = json!({"kind": "Pod", "namespace": namespace, "name": pod_name(*pod)});
        json!({"addresses": [ip], "conditions": {"ready": true}, "targetRef": target})
    };
    let labels = json!({"kubernetes.io/service-name": service});
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": format!("{service}-1"), "namespace": namespace, "labels": labels},
        "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
        "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>()})
}
