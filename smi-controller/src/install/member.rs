//! What gateways and hubs have in common: pods of the control plane that get their certificates as sidecars do.

use serde_json::{Value, json};

use super::{InstallConfig, RoleConfig, labels_of, metadata_of};
use crate::{
    annotations::scraped_at,
    ca::{PUBLISHED_ROOTS, PUBLISHED_ROOTS_ENTRY},
    config::{GRPC_PORT, NAME},
};

const TOKEN_FOLDER: &str = "/var/run/secrets/isthmus";
/// What is kept there is found by a container that starts anew.
pub(super) const STATE_FOLDER: &str = "/var/lib/isthmus";
/// Lifetime of the token in seconds; the kubelet renews it in time.
const TOKEN_SECONDS: u32 = 3600;

/// What tells one role from another.
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) role: &'a RoleConfig,
    pub(super) uid: u32,
    /// Where others reach it.
    pub(super) port: (&'a str, u16),
    pub(super) admin_port: u16,
    /// Seconds that it has to end.
    pub(super) grace: u32,
    pub(super) strategy: Value,
    /// Does it ask the Kubernetes API anything?
    pub(super) asks_kubernetes: bool,
    /// What it is told beside what both are.
    pub(super) env: Vec<Value>,
}

impl Member<'_> {
    pub(super) fn account(&self, config: &InstallConfig) -> Value {
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata_of(config, self.name) })
    }

    /// An address that other clusters reach.
    pub(super) fn service(&self, config: &InstallConfig) -> Value {
        let (name, port) = self.port;
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata_of(config, self.name),
            "spec": {
                "type": "LoadBalancer",
                "selector": { "app.kubernetes.io/name": self.name },
                "ports": [{ "name": name, "port": port, "targetPort": port }]
            }
        })
    }

    pub(super) fn deployment(&self, config: &InstallConfig) -> Value {
        let token = json!({ "audience": "isthmus", "expirationSeconds": TOKEN_SECONDS, "path": "token" });
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata_of(config, self.name),
            "spec": {
                "replicas": self.role.replicas,
                "selector": { "matchLabels": { "app.kubernetes.io/name": self.name } },
                "strategy": self.strategy,
                "template": {
                    "metadata": { "labels": labels_of(self.name), "annotations": scraped_at(self.admin_port) },
                    "spec": {
                        "serviceAccountName": self.name,
                        "automountServiceAccountToken": self.asks_kubernetes,
                        "terminationGracePeriodSeconds": self.grace,
                        "securityContext": { "runAsUser": self.uid, "runAsGroup": self.uid, "runAsNonRoot": true },
                        "containers": [self.container(config)],
                        "volumes": [
                            { "name": "token", "projected": {
                                "defaultMode": 0o444, "sources": [{ "serviceAccountToken": token }]
                            } },
                            { "name": "state", "emptyDir": { "sizeLimit": "4Mi" } }
                        ]
                    }
                }
            }
        })
    }

    fn container(&self, config: &InstallConfig) -> Value {
        let value = |name: &str, value: &str| json!({ "name": name, "value": value });
        let field =
            |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
        let InstallConfig { namespace, trust_domain, cluster_domain, .. } = config;
        let roots = json!({ "configMapKeyRef": { "name": PUBLISHED_ROOTS, "key": PUBLISHED_ROOTS_ENTRY } });
        let get = |path: &str| json!({ "path": path, "port": self.admin_port });
        let port = |name: &str, port: u16| json!({ "name": name, "containerPort": port, "protocol": "TCP" });
        let env = [
            value("ISTHMUS_CONTROL_ADDR", &format!("{NAME}.{namespace}.svc.{cluster_domain}:{GRPC_PORT}")),
            value("ISTHMUS_CONTROLLER_ID", &format!("spiffe://{trust_domain}/ns/{namespace}/sa/{NAME}")),
            value("ISTHMUS_MESH", &config.mesh),
            value("ISTHMUS_TRUST_DOMAIN", trust_domain),
            json!({ "name": "ISTHMUS_TRUST_BUNDLE", "valueFrom": roots }),
            value("ISTHMUS_TRUST_FILE", &format!("{STATE_FOLDER}/roots")),
            value("ISTHMUS_TOKEN_FILE", &format!("{TOKEN_FOLDER}/token")),
            value("ISTHMUS_LOG", &config.log),
            field("POD_NAMESPACE", "metadata.namespace"),
            field("POD_NAME", "metadata.name"),
            field("POD_IP", "status.podIP"),
        ];
        json!({
            "name": self.name.strip_prefix("isthmus-").unwrap_or(self.name),
            "image": self.role.image,
            "env": env.iter().chain(&self.env).collect::<Vec<_>>(),
            "ports": [port(self.port.0, self.port.1), port("admin", self.admin_port)],
            "startupProbe": { "httpGet": get("/live"), "periodSeconds": 1, "failureThreshold": 60 },
            "readinessProbe": { "httpGet": get("/ready"), "periodSeconds": 1 },
            "livenessProbe": { "httpGet": get("/live"), "periodSeconds": 10 },
            "resources": { "requests": { "cpu": "50m", "memory": "32Mi" } },
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] }
            },
            "volumeMounts": [
                { "name": "token", "mountPath": TOKEN_FOLDER, "readOnly": true },
                { "name": "state", "mountPath": STATE_FOLDER }
            ]
        })
    }
}
