//! The Node object and its Lease.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{
    DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeSpec, NodeStatus, NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::sleep;

use crate::pod::Context;

/// Where nodes' Leases are.
const LEASE_NAMESPACE: &str = "kube-node-lease";
/// A kubelet's default for `maxPods`.
const MOST_PODS: &str = "110";
/// The version of the API that this node speaks.
const VERSION: &str = "v1.32.4-isthmus";

/// Makes the object and keeps it, and its Lease, for as long as the node runs.
pub(super) async fn keep(context: Arc<Context>) {
    while let Err(error) = register(&context).await {
        tracing::debug!(%error, "node not registered yet");
        sleep(Duration::from_millis(500)).await;
    }
    context.events.node(&context.config.name, "Starting", "Starting kubelet.".into());
    loop {
        if let Err(error) = renew(&context).await {
            tracing::debug!(%error, "node's Lease not renewed");
        }
        sleep(context.config.heartbeat).await;
    }
}

async fn register(context: &Context) -> Result<(), kube::Error> {
    let api: Api<Node> = Api::all(context.config.client.clone());
    let name = &context.config.name;
    let labels = [
        ("kubernetes.io/hostname", name.as_str()),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", architecture()),
    ];
    let node = Node {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec { pod_cidr: Some(context.router.config().pod_cidr.to_string()), ..NodeSpec::default() }),
        ..Node::default()
    };
    match api.create(&PostParams::default(), &node).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        other => drop(other?),
    }
    let status = json!({"status": status(context, true)});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.map(drop)
}

/// Says at shutdown that the node runs nothing any more.
pub(super) async fn not_ready(context: &Context) {
    let api: Api<Node> = Api::all(context.config.client.clone());
    let status = json!({"status": status(context, false)});
    let (params, patch) = (PatchParams::default(), Patch::Merge(status));
    let written = api.patch_status(&context.config.name, &params, &patch);
    drop(tokio::time::timeout(Duration::from_secs(1), written).await);
}

async fn renew(context: &Context) -> Result<(), kube::Error> {
    let api: Api<Lease> = Api::namespaced(context.config.client.clone(), LEASE_NAMESPACE);
    let now = MicroTime(Timestamp::now());
    let seconds = context.config.heartbeat.as_secs().saturating_mul(4).max(1);
    let spec = LeaseSpec {
        holder_identity: Some(context.config.name.clone()),
        lease_duration_seconds: i32::try_from(seconds).ok(),
        renew_time: Some(now),
        ..LeaseSpec::default()
    };
    let patch = Patch::Merge(json!({"spec": spec}));
    match api.patch(&context.config.name, &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {
            let metadata = ObjectMeta {
                name: Some(context.config.name.clone()),
                namespace: Some(LEASE_NAMESPACE.into()),
                ..ObjectMeta::default()
            };
            api.create(&PostParams::default(), &Lease { metadata, spec: Some(spec) }).await.map(drop)
        }
        other => other.map(drop),
    }
}

fn status(context: &Context, ready: bool) -> NodeStatus {
    let now = Time(Timestamp::now());
    let condition = |kind: &str, status: bool, reason: &str, message: &str| NodeCondition {
        type_: kind.into(),
        status: if status { "True" } else { "False" }.into(),
        reason: Some(reason.into()),
        message: Some(message.into()),
        last_heartbeat_time: Some(now.clone()),
        last_transition_time: Some(now.clone()),
    };
    let (reason, message) =
        if ready { ("KubeletReady", "the node is running pods") } else { ("Stopped", "the node has stopped") };
    let capacity = capacity();
    NodeStatus {
        addresses: Some(vec![
            NodeAddress { type_: "InternalIP".into(), address: context.router.address().to_string() },
            NodeAddress { type_: "Hostname".into(), address: context.config.name.clone() },
        ]),
        allocatable: Some(capacity.clone()),
        capacity: Some(capacity),
        conditions: Some(vec![
            condition("MemoryPressure", false, "KubeletHasSufficientMemory", "memory is not watched"),
            condition("DiskPressure", false, "KubeletHasNoDiskPressure", "the disk is not watched"),
            condition("PIDPressure", false, "KubeletHasSufficientPID", "processes are not counted"),
            condition("Ready", ready, reason, message),
        ]),
        daemon_endpoints: Some(NodeDaemonEndpoints {
            kubelet_endpoint: Some(DaemonEndpoint { port: context.config.kubelet_port.into() }),
        }),
        node_info: Some(info()),
        ..NodeStatus::default()
    }
}

fn capacity() -> BTreeMap<String, Quantity> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:").map(str::to_owned))?;
        line.split_whitespace().next().map(|kilobytes| format!("{kilobytes}Ki"))
    });
    let pairs =
        [("cpu", processors.to_string()), ("memory", memory.unwrap_or_else(|| "0".into())), ("pods", MOST_PODS.into())];
    pairs.map(|(name, amount)| (name.to_owned(), Quantity(amount))).into()
}

fn info() -> NodeSystemInfo {
    let line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let image = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    NodeSystemInfo {
        architecture: architecture().into(),
        boot_id: line("/proc/sys/kernel/random/boot_id"),
        container_runtime_version: format!("isthmus://{}", env!("CARGO_PKG_VERSION")),
        kernel_version: line("/proc/sys/kernel/osrelease"),
        kubelet_version: VERSION.into(),
        machine_id: line("/etc/machine-id"),
        operating_system: "linux".into(),
        os_image: image.trim_matches('"').into(),
        ..NodeSystemInfo::default()
    }
}

/// As Go calls it, and so Kubernetes.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
