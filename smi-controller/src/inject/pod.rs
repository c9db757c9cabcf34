//! The injected parts of a pod.

use isthmus_core::broken;
use serde_json::{Map, Value, json};

use super::{Injector, PROXY_UID, traces::Told};
use crate::{
    annotations::{
        INIT_CONTAINER, PROXY_CONTAINER, SCRAPE, SKIP_INBOUND_PORTS, SKIP_OUTBOUND_PORTS, STATUS, read, scraped_at,
    },
    json::at,
};

/// Names the container that `kubectl logs` and `exec` take when none is named.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// Port of the sidecar's admin server.
const ADMIN_PORT: u16 = 15020;
/// Where the sidecar's token is mounted.
const TOKEN_FOLDER: &str = "/var/run/secrets/isthmus";
const TOKEN_VOLUME: &str = "isthmus-token";
/// Where the sidecar keeps what it must find again when it starts anew in its pod.
const STATE_FOLDER: &str = "/var/lib/isthmus";
const STATE_VOLUME: &str = "isthmus-state";
/// Lifetime of the token in seconds; the kubelet renews it in time.
const TOKEN_SECONDS: u32 = 3600;

impl Injector {
    /// The pod with a sidecar.
    pub(super) fn inject(&self, pod: &Value) -> Value {
        let mut injected = pod.clone();
        let first = at(pod, &["spec", "containers"]).get(0).and_then(|container| container.get("name")).cloned();
        let traces = self.traces.told(pod);
        let init = [self.init_container(pod), self.proxy_container(&traces)];
        if let Some(spec) = object(&mut injected, "spec") {
            if let Some(volumes) = array(spec, "volumes") {
                volumes.push(token_volume());
                volumes.push(json!({ "name": STATE_VOLUME, "emptyDir": { "sizeLimit": "4Mi" } }));
                volumes.extend(traces.volume);
            }
            // First of all: what runs before the sidecar would have no network, and what runs beside it no identity.
            if let Some(all) = array(spec, "initContainers") {
                all.splice(0..0, init);
            }
        }
        if let Some(metadata) = object(&mut injected, "metadata")
            && let Some(annotations) = child(metadata, "annotations")
        {
            annotations.insert(STATUS.to_owned(), json!("injected"));
            if let Some(first) = first {
                annotations.entry(DEFAULT_CONTAINER).or_insert(first);
            }
            // An application that is scraped already stays so: Prometheus finds one port a pod in this way.
            if !SCRAPE.iter().any(|key| annotations.contains_key(*key)) {
                annotations.extend(scraped_at(ADMIN_PORT));
            }
        }
        injected
    }

    fn init_container(&self, pod: &Value) -> Value {
        let mut args = Vec::new();
        for (key, flag) in
            [(SKIP_INBOUND_PORTS, "--skip-inbound-ports"), (SKIP_OUTBOUND_PORTS, "--skip-outbound-ports")]
        {
            let ports: String = read(pod, key).unwrap_or_default().split_whitespace().collect();
            if !ports.is_empty() {
                args.push(format!("{flag}={ports}"));
            }
        }
        json!({
            "name": INIT_CONTAINER,
            "image": self.init_image,
            "args": args,
            "env": self.mark.map(mark_env).into_iter().collect::<Vec<_>>(),
            "resources": { "requests": { "cpu": "10m", "memory": "16Mi" } },
            "securityContext": {
                "runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false,
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "capabilities": { "add": ["NET_ADMIN"], "drop": ["ALL"] }
            },
            "terminationMessagePolicy": "FallbackToLogsOnError"
        })
    }

    fn proxy_container(&self, traces: &Told) -> Value {
        let value = |name: &str, value: &str| json!({ "name": name, "value": value });
        let field =
            |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
        let mut env = vec![
            value("ISTHMUS_CONTROL_ADDR", &self.control_addr),
            value("ISTHMUS_CONTROLLER_ID", &self.controller_id),
            value("ISTHMUS_TRUST_DOMAIN", &self.trust_domain),
            value("ISTHMUS_TRUST_BUNDLE", &self.roots.borrow().bundle().to_pem()),
            value("ISTHMUS_TRUST_FILE", &format!("{STATE_FOLDER}/roots")),
            value("ISTHMUS_MESH", &self.mesh),
            value("ISTHMUS_TOKEN_FILE", &format!("{TOKEN_FOLDER}/token")),
            value("ISTHMUS_LOG", &self.log),
            field("POD_NAMESPACE", "metadata.namespace"),
            field("POD_NAME", "metadata.name"),
            field("POD_IP", "status.podIP"),
        ];
        env.extend(self.mark.map(mark_env));
        env.extend(broken::handed_on().map(|(name, fault)| value(name, fault)));
        env.extend(traces.env.iter().map(|(name, text)| value(name, text)));
        let mut mounts = vec![
            json!({ "name": TOKEN_VOLUME, "mountPath": TOKEN_FOLDER, "readOnly": true }),
            json!({ "name": STATE_VOLUME, "mountPath": STATE_FOLDER }),
        ];
        mounts.extend(traces.mount.clone());
        let mut capabilities = json!({ "drop": ["ALL"] });
        if let (Some(_), Some(map)) = (self.mark, capabilities.as_object_mut()) {
            // To mark a socket takes it.
            map.insert("add".to_owned(), json!(["NET_RAW"]));
        }
        json!({
            "name": PROXY_CONTAINER,
            "image": self.proxy_image,
            "restartPolicy": "Always",
            "env": env,
            "ports": [{ "name": "isthmus-admin", "containerPort": ADMIN_PORT, "protocol": "TCP" }],
            "startupProbe": {
                "httpGet": { "path": "/ready", "port": ADMIN_PORT },
                "periodSeconds": 1, "failureThreshold": 120
            },
            "resources": { "requests": { "cpu": "10m", "memory": "32Mi" } },
            "securityContext": {
                "runAsUser": PROXY_UID, "runAsGroup": PROXY_UID, "runAsNonRoot": true,
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "capabilities": capabilities
            },
            "volumeMounts": mounts,
            "terminationMessagePolicy": "FallbackToLogsOnError"
        })
    }
}

fn mark_env(mark: u32) -> Value {
    json!({ "name": "ISTHMUS_PROXY_MARK", "value": mark.to_string() })
}

fn token_volume() -> Value {
    let token = json!({ "audience": "isthmus", "expirationSeconds": TOKEN_SECONDS, "path": "token" });
    json!({ "name": TOKEN_VOLUME, "projected": { "defaultMode": 0o444, "sources": [{ "serviceAccountToken": token }] } })
}

/// A field that is, or becomes, an object.
fn object<'a>(value: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    child(value.as_object_mut()?, field)
}

fn child<'a>(map: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    let child = map.entry(field).or_insert_with(|| json!({}));
    if child.is_null() {
        *child = json!({});
    }
    child.as_object_mut()
}

/// A field that is, or becomes, an array.
fn array<'a>(map: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Vec<Value>> {
    let array = map.entry(field).or_insert_with(|| json!([]));
    if array.is_null() {
        *array = json!([]);
    }
    array.as_array_mut()
}
