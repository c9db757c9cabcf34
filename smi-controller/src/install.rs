//! The control plane's manifests.

mod rbac;
mod webhooks;
mod workload;

use serde_json::{Value, json};

use crate::config::{NAME, SYSTEM_NAMESPACE};

/// Name of the MutatingWebhookConfiguration.
pub const INJECTOR: &str = "isthmus-injector";
/// Name of the ValidatingWebhookConfiguration.
pub const VALIDATOR: &str = "isthmus-validator";

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
    all.extend(webhooks::manifests(config));
    all
}

fn labels() -> Value {
    json!({ "app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "isthmus" })
}

fn metadata(config: &InstallConfig, name: &str) -> Value {
    json!({ "name": name, "namespace": config.namespace, "labels": labels() })
}

#[cfg(test)]
mod tests;
