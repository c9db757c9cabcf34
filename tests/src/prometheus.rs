//! A real Prometheus. Debian's build has no discovery by Kubernetes: a file of targets, with the labels that discovery would give
//! them, stands in, so that all of a configuration but this is what it says.

mod lint;
mod server;

use serde_json::{Value, json};

pub use self::{lint::lint, server::Server};

/// The configuration with each `kubernetes_sd_configs` replaced by one that reads targets from a file.
pub fn with_file_discovery(config: &str, targets: &str) -> String {
    let mut out = String::new();
    let mut within = None;
    for line in config.lines() {
        let depth = line.len() - line.trim_start().len();
        if within.is_some_and(|start| depth > start) {
            continue;
        }
        within = None;
        if line.trim() == "kubernetes_sd_configs:" {
            within = Some(depth);
            out += &format!("{:depth$}file_sd_configs: [{{ files: ['{targets}'] }}]\n", "");
        } else {
            out += &format!("{line}\n");
        }
    }
    out
}

/// What discovery of pods would find in a list of them: a target for each port, with the labels that the configuration uses.
pub fn targets(pods: &Value) -> Value {
    let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut targets = Vec::new();
    for pod in list(pods, "/items") {
        let containers = [list(&pod, "/spec/containers"), list(&pod, "/spec/initContainers")].concat();
        for container in containers {
            for port in list(&container, "/ports") {
                let number = port.get("containerPort").and_then(Value::as_u64).unwrap_or_default();
                targets.push(json!({
                    "targets": [format!("{}:{number}", text(&pod, "/status/podIP"))],
                    "labels": {
                        "__meta_kubernetes_namespace": text(&pod, "/metadata/namespace"),
                        "__meta_kubernetes_pod_name": text(&pod, "/metadata/name"),
                        "__meta_kubernetes_pod_phase": text(&pod, "/status/phase"),
                        "__meta_kubernetes_pod_container_name": text(&container, "/name"),
                        "__meta_kubernetes_pod_container_port_name": text(&port, "/name"),
                        "__meta_kubernetes_pod_annotation_isthmus_mesh_status": text(&pod, "/metadata/annotations/isthmus.mesh~1status"),
                        "__meta_kubernetes_pod_label_app_kubernetes_io_name": text(&pod, "/metadata/labels/app.kubernetes.io~1name"),
                        "__meta_kubernetes_pod_label_app_kubernetes_io_part_of": text(&pod, "/metadata/labels/app.kubernetes.io~1part-of"),
                    }
                }));
            }
        }
    }
    Value::from(targets)
}
