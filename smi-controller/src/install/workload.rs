//! The controller's Deployment and Service.

use isthmus_core::broken;
use serde_json::{Value, json};

use super::{InstallConfig, labels, metadata};
use crate::{
    annotations::scraped_at,
    config::{ADMIN_PORT, BUNDLE_PORT, GRPC_PORT, METRICS_API_PORT, NAME, WEBHOOK_PORT},
};

/// User that the controller runs as.
const UID: u32 = 2101;

pub(super) fn manifests(config: &InstallConfig) -> Vec<Value> {
    let selector = json!({ "app.kubernetes.io/name": NAME });
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(config, NAME),
        "spec": {
            "selector": selector,
            "ports": [
                { "name": "grpc", "port": GRPC_PORT, "targetPort": GRPC_PORT, "appProtocol": "kubernetes.io/h2c" },
                { "name": "webhooks", "port": 443, "targetPort": WEBHOOK_PORT },
                { "name": "metrics-api", "port": METRICS_API_PORT, "targetPort": METRICS_API_PORT, "appProtocol": "https" },
                { "name": "bundle", "port": BUNDLE_PORT, "targetPort": BUNDLE_PORT, "appProtocol": "https" },
                { "name": "admin", "port": ADMIN_PORT, "targetPort": ADMIN_PORT }
            ]
        }
    });
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(config, NAME),
        "spec": {
            "replicas": config.replicas,
            "selector": { "matchLabels": selector },
            "template": {
                "metadata": { "labels": labels(), "annotations": scraped_at(ADMIN_PORT) },
                "spec": {
                    "serviceAccountName": NAME,
                    "securityContext": { "runAsUser": UID, "runAsGroup": UID, "runAsNonRoot": true },
                    "containers": [container(config)]
                }
            }
        }
    });
    vec![service, deployment]
}

fn container(config: &InstallConfig) -> Value {
    let value = |name: &str, value: &str| json!({ "name": name, "value": value });
    let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    let port = |name: &str, port: u16| json!({ "name": name, "containerPort": port, "protocol": "TCP" });
    let mut env = vec![
        field("POD_NAMESPACE", "metadata.namespace"),
        field("POD_NAME", "metadata.name"),
        value("ISTHMUS_MESH", &config.mesh),
        value("ISTHMUS_TRUST_DOMAIN", &config.trust_domain),
        value("ISTHMUS_POLICY_MODE", &config.policy_mode),
        value("ISTHMUS_CLUSTER_DOMAIN", &config.cluster_domain),
        value("ISTHMUS_PROXY_IMAGE", &config.proxy_image),
        value("ISTHMUS_INIT_IMAGE", &config.init_image),
        value("ISTHMUS_PROXY_LOG", &config.proxy_log),
        value("ISTHMUS_LOG", &config.log),
    ];
    let traces = &config.proxy_traces;
    env.extend(traces.endpoint.as_deref().map(|url| value("ISTHMUS_PROXY_TRACE_ENDPOINT", url)));
    env.extend(traces.protocol.map(|protocol| value("ISTHMUS_PROXY_TRACE_PROTOCOL", protocol.as_str())));
    env.extend(traces.sampling.map(|ratio| value("ISTHMUS_PROXY_TRACE_SAMPLING", &ratio.to_string())));
    env.extend(traces.roots.as_deref().map(|pem| value("ISTHMUS_PROXY_TRACE_CA", pem)));
    let secret = traces.headers_secret.as_ref();
    env.extend(secret.map(|secret| value("ISTHMUS_PROXY_TRACE_HEADERS_SECRET", secret.as_str())));
    env.extend(config.proxy_mark.map(|mark| value("ISTHMUS_PROXY_MARK", &mark.to_string())));
    env.extend(broken::handed_on().map(|(name, fault)| value(name, fault)));
    json!({
        "name": "controller",
        "image": config.controller_image,
        "env": env,
        "ports": [port("grpc", GRPC_PORT), port("webhooks", WEBHOOK_PORT), port("metrics-api", METRICS_API_PORT), port("bundle", BUNDLE_PORT), port("admin", ADMIN_PORT)],
        "startupProbe": {
            "httpGet": { "path": "/live", "port": ADMIN_PORT }, "periodSeconds": 1, "failureThreshold": 60
        },
        "readinessProbe": { "httpGet": { "path": "/ready", "port": ADMIN_PORT }, "periodSeconds": 1 },
        "livenessProbe": { "httpGet": { "path": "/live", "port": ADMIN_PORT }, "periodSeconds": 10 },
        "resources": { "requests": { "cpu": "50m", "memory": "64Mi" } },
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] }
        }
    })
}
