//! The mesh in a cluster: its CRDs and its control plane, applied as a user would apply them.

use std::time::Duration;

use anyhow::{Context, bail};
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ContainerStatus, Pod, Service},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, LogParams},
    runtime::{conditions::is_crd_established, wait::await_condition},
};

use isthmus_proxy::{PROXY_UID, SOCKET_MARK};
pub(crate) use isthmus_smi_controller::{NAME as CONTROLLER, SYSTEM_NAMESPACE as NAMESPACE};
use isthmus_smi_controller::{
    Traces,
    install::{InstallConfig, RoleConfig, manifests},
};

use super::apply::Applier;
pub(crate) use super::apply::MANAGER;

/// What tells meshes apart.
#[derive(Debug, Clone)]
pub(crate) struct MeshName {
    pub(crate) mesh: String,
    pub(crate) trust_domain: String,
}

/// What a mesh has beside its control plane.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts {
    /// A gateway to other meshes, for pods of this range.
    pub(crate) gateway: Option<String>,
    /// The hub that they are joined by.
    pub(crate) hub: bool,
    /// Where its sidecars send traces.
    pub(crate) traces: Traces,
}

impl MeshName {
    /// Of several clusters that were started together, each is a mesh by its own name; a single one has the default.
    pub(crate) fn of(cluster: &str, several: bool) -> Self {
        let mesh = if several { cluster } else { "isthmus" };
        Self { mesh: mesh.to_owned(), trust_domain: format!("{mesh}.local") }
    }
}

/// The sidecar's container.
const SIDECAR: &str = "isthmus-proxy";
/// Two gateways, so that one can be lost.
const GATEWAYS: u32 = 2;
/// How long each part may take to be there: a second on a quiet machine, and many on one that compiles meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Applies the SMI kinds, and waits until the API server serves them.
pub(crate) async fn install_crds(client: &Client) -> anyhow::Result<()> {
    let mut applier = Applier::new(client.clone());
    let crds = isthmus_k8s::crds();
    for crd in &crds {
        let object: DynamicObject = serde_json::from_value(serde_json::to_value(crd)?)?;
        applier.apply(object).await?;
    }
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in &crds {
        let name = crd.name_any();
        let waited = tokio::time::timeout(PATIENCE, await_condition(api.clone(), &name, is_crd_established())).await;
        waited.with_context(|| format!("CRD {name} isn't established"))??;
    }
    Ok(())
}

/// Applies the control plane.
pub(crate) async fn install_control_plane(client: &Client, name: &MeshName, parts: Parts) -> anyhow::Result<()> {
    let role = |role: &str, replicas| RoleConfig { image: format!("isthmus/{role}"), replicas };
    let config = InstallConfig {
        mesh: name.mesh.clone(),
        trust_domain: name.trust_domain.clone(),
        // In a user namespace of one user the sidecar can't have its own.
        proxy_mark: (!isthmus_local_node::user_exists(PROXY_UID)).then_some(SOCKET_MARK),
        gateway: parts.gateway.is_some().then(|| role("gateway", GATEWAYS)),
        egress_from: parts.gateway.into_iter().collect(),
        proxy_traces: parts.traces,
        hub: parts.hub.then(|| role("hub", 1)),
        ..InstallConfig::default()
    };
    let mut applier = Applier::new(client.clone());
    for manifest in manifests(&config) {
        applier.apply(serde_json::from_value(manifest)?).await?;
    }
    Ok(())
}

/// Waits until a part of the control plane that was started at `since` or later is ready. Of a kept cluster the objects still
/// tell of its earlier life.
pub(crate) async fn wait_ready(client: &Client, part: &str, since: Timestamp) -> anyhow::Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let ours = ListParams::default().labels(&format!("app.kubernetes.io/name={part}"));
    let ready = async {
        loop {
            await_condition(deployments.clone(), part, |d: Option<&Deployment>| d.is_some_and(is_ready)).await?;
            if pods.list(&ours).await?.iter().any(|pod| is_ready_since(pod, since)) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    match tokio::time::timeout(PATIENCE, ready).await {
        Ok(done) => done.with_context(|| format!("waiting for {part}")),
        Err(_) => bail!("{part} isn't ready after {} s: {}", PATIENCE.as_secs(), unready(client, NAMESPACE).await?),
    }
}

/// The address of a LoadBalancer Service of the control plane, once it has one.
pub(crate) async fn balancer_address(client: &Client, name: &str) -> anyhow::Result<String> {
    let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
    let address = |service: &Service| {
        let balancer = service.status.as_ref()?.load_balancer.as_ref()?;
        balancer.ingress.iter().flatten().find_map(|given| given.ip.clone())
    };
    let given = |service: Option<&Service>| service.and_then(address).is_some();
    let waited = tokio::time::timeout(PATIENCE, await_condition(services, name, given)).await;
    let service = waited.with_context(|| format!("Service {name} has no address"))??;
    service.as_ref().and_then(address).with_context(|| format!("Service {name} has gone"))
}

/// Are all containers of the pod ready, and were they started at that time or later?
fn is_ready_since(pod: &Pod, since: Timestamp) -> bool {
    // Kubernetes tells times in whole seconds.
    let started =
        |c: &ContainerStatus| c.state.as_ref()?.running.as_ref()?.started_at.as_ref().map(|t| t.0.as_second());
    let statuses = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
    let mut all = statuses.map(|c| c.ready && started(c).is_some_and(|t| t >= since.as_second())).peekable();
    all.peek().is_some() && all.all(|good| good)
}

/// What the containers of a namespace that aren't ready are doing, and the last that they have said.
pub(crate) async fn unready(client: &Client, namespace: &str) -> anyhow::Result<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut lines = vec![format!("containers of {namespace} that aren't ready:")];
    for pod in pods.list(&ListParams::default()).await? {
        let name = pod.name_any();
        let status = pod.status.unwrap_or_default();
        let all = [status.init_container_statuses, status.container_statuses].into_iter().flatten().flatten();
        let completed = |c: &ContainerStatus| {
            c.state.as_ref().and_then(|s| s.terminated.as_ref()).is_some_and(|t| t.exit_code == 0)
        };
        for container in all.filter(|c| !c.ready && !completed(c)) {
            lines.push(format!("{name}/{}: {}", container.name, serde_json::to_string(&container.state)?));
            let params = LogParams { container: Some(container.name), tail_lines: Some(5), ..LogParams::default() };
            // A container that hasn't started has no log.
            let log = pods.logs(&name, &params).await.unwrap_or_default();
            lines.extend(log.lines().map(|line| format!("    {line}")));
        }
    }
    Ok(lines.join("\n"))
}

/// Has every replica that is asked for been ready in the present generation?
pub(crate) fn is_ready(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
    deployment.status.as_ref().is_some_and(|status| {
        status.observed_generation >= deployment.metadata.generation && status.ready_replicas.unwrap_or(0) >= wanted
    })
}

/// Is the pod in the mesh?
pub(crate) fn has_sidecar(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|s| s.init_containers.iter().flatten().any(|c| c.name == SIDECAR))
}
