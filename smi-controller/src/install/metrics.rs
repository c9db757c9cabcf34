//! The aggregated APIs: of TrafficMetrics, and of taps. Their roots are written in by the controller.

use serde_json::{Value, json};

use super::{InstallConfig, METRICS_API, METRICS_READER, TAP_API, TAPPER, labels, rbac};
use crate::{
    config::{METRICS_API_PORT, NAME},
    telemetry::{GROUP, TAP_GROUP, TAP_VERSION, VERSION},
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
        api_service(config, METRICS_API, GROUP, VERSION),
        api_service(config, TAP_API, TAP_GROUP, TAP_VERSION),
        // Requests as they pass are for those whom somebody gives this role, and for administrators of the cluster.
        rbac::role(
            "ClusterRole",
            json!({ "name": TAPPER, "labels": labels() }),
            vec![rbac::rule(TAP_GROUP, &["*"], &["get", "watch"])],
        ),
    ]
}

fn api_service(config: &InstallConfig, name: &str, group: &str, version: &str) -> Value {
    json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": { "name": name, "labels": labels() },
        "spec": {
            "group": group,
            "version": version,
            // Behind everything else: `kubectl get pods` means the pods themselves.
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": { "namespace": config.namespace, "name": NAME, "port": METRICS_API_PORT }
        }
    })
}
