//! The aggregated API of TrafficMetrics. Its roots are written in by the controller.

use serde_json::{Value, json};

use super::{InstallConfig, METRICS_API, METRICS_READER, labels, rbac};
use crate::{
    config::{METRICS_API_PORT, NAME},
    telemetry::{GROUP, VERSION},
};

pub(super) fn manifests(config: &InstallConfig) -> Vec<Value> {
    let mut labels_of_reader = labels();
    if let Some(labels) = labels_of_reader.as_object_mut() {
        for role in ["view", "edit", "admin"] {
            labels.insert(format!("rbac.authorization.k8s.io/aggregate-to-{role}"), json!("true"));
        }
    }
    let everything = rbac::rule(GROUP, &["*"], &["get", "list"]);
    let account = json!({ "kind": "ServiceAccount", "name": NAME, "namespace": config.namespace });
    // Kubernetes' own role for extensions, which says whom to take for the API server.
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": { "name": NAME, "namespace": "kube-system", "labels": labels() },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "extension-apiserver-authentication-reader"
        },
        "subjects": [account]
    });
    vec![
        rbac::role("ClusterRole", json!({ "name": METRICS_READER, "labels": labels_of_reader }), vec![everything]),
        binding,
        json!({
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": { "name": METRICS_API, "labels": labels() },
            "spec": {
                "group": GROUP,
                "version": VERSION,
                // Behind everything else: `kubectl get pods` means the pods themselves.
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "service": { "namespace": config.namespace, "name": NAME, "port": METRICS_API_PORT }
            }
        }),
    ]
}
