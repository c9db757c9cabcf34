//! The control plane's manifests.

mod gateway;
mod hub;
mod member;
mod metrics;
mod rbac;
mod webhooks;
mod workload;

use serde_json::{Value, json};

use crate::config::{NAME, SYSTEM_NAMESPACE, Traces};
pub use gateway::{GATEWAY, GATEWAY_PORT};
pub use hub::{HUB, HUB_PORT};

/// Name of the MutatingWebhookConfiguration.
pub const INJECTOR: &str = "isthmus-injector";
/// Name of the ValidatingWebhookConfiguration.
pub const VALIDATOR: &str = "isthmus-validator";

/// Name of the APIService of TrafficMetrics.
pub const METRICS_API: &str = "v1alpha1.metrics.smi-spec.io";
/// The APIService of taps.
pub const TAP_API: &str = "v1alpha1.tap.isthmus.mesh";
/// Name of the ClusterRole that lets its holders read TrafficMetrics, which `view` takes in.
pub const METRICS_READER: &str = "isthmus-metrics-reader";
/// Name of the ClusterRole that lets its holders tap.
pub const TAPPER: &str = "isthmus-tap";

/// What may differ from one installation to another.
#[derive(Debug, Clone)]
pub struct InstallConfig {
    /// Where the control plane goes.
    pub namespace: String,
    /// Image of the controller.
    pub controller_image: String,
    /// Image of the sidecar.
    pub proxy_image: String,
    /// Image of the init container that sets the redirect up.
    pub init_image: String,
    /// Replicas of the controller: one of them writes, all serve.
    pub replicas: u32,
    /// The mesh's name.
    pub mesh: String,
    /// Its trust domain.
    pub trust_domain: String,
    /// `enforce`, `audit` or `permissive`.
    pub policy_mode: String,
    /// The domain of the cluster's Service names.
    pub cluster_domain: String,
    /// Log filter of the controller.
    pub log: String,
    /// Log filter of the sidecars.
    pub proxy_log: String,
    /// Mark of the sidecars' sockets, where the kernel can't tell their user apart (a user namespace of one user).
    pub proxy_mark: Option<u32>,
    /// Where sidecars send traces.
    pub proxy_traces: Traces,
    /// The gateway to other meshes, if there is to be one.
    pub gateway: Option<RoleConfig>,
    /// Ranges of those who may leave for other meshes by the gateway: the pods'. Empty: whoever reaches it.
    pub egress_from: Vec<String>,
    /// The hub, in one of the meshes that are to be joined.
    pub hub: Option<RoleConfig>,
}

/// A part of the mesh that not every cluster has.
#[derive(Debug, Clone)]
pub struct RoleConfig {
    /// Its image.
    pub image: String,
    /// Its replicas. Gateways all serve; of hubs one does, and the others are ready to.
    pub replicas: u32,
}

impl Default for InstallConfig {
    fn default() -> Self {
        Self {
            namespace: SYSTEM_NAMESPACE.to_owned(),
            controller_image: "isthmus/controller".to_owned(),
            proxy_image: "isthmus/proxy".to_owned(),
            init_image: "isthmus/init".to_owned(),
            replicas: 1,
            mesh: "isthmus".to_owned(),
            trust_domain: "isthmus.local".to_owned(),
            policy_mode: "enforce".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            log: "info".to_owned(),
            proxy_log: "info".to_owned(),
            proxy_mark: None,
            proxy_traces: Traces::default(),
            gateway: None,
            egress_from: Vec::new(),
            hub: None,
        }
    }
}

/// The manifests in the order to apply them, after the definitions of `isthmus_k8s::crds()`. Applying them again
/// leaves the roots alone that the controller has written into the webhook configurations, if it is done server-side.
pub fn manifests(config: &InstallConfig) -> Vec<Value> {
    let mut all = vec![json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": config.namespace, "labels": labels() }
    })];
    all.extend(rbac::manifests(config));
    all.extend(workload::manifests(config));
    all.extend(config.gateway.iter().flat_map(|role| gateway::manifests(config, role)));
    all.extend(config.hub.iter().flat_map(|role| hub::manifests(config, role)));
    all.extend(metrics::manifests(config));
    all.extend(webhooks::manifests(config));
    all
}

fn labels() -> Value {
    labels_of(NAME)
}

fn labels_of(role: &str) -> Value {
    json!({ "app.kubernetes.io/name": role, "app.kubernetes.io/part-of": "isthmus" })
}

fn metadata(config: &InstallConfig, name: &str) -> Value {
    json!({ "name": name, "namespace": config.namespace, "labels": labels() })
}

/// Of an object named like the role that it belongs to.
fn metadata_of(config: &InstallConfig, role: &str) -> Value {
    json!({ "name": role, "namespace": config.namespace, "labels": labels_of(role) })
}

#[cfg(test)]
mod tests;
