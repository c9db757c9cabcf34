//! Pods: a ServiceAccount, its token, a node.

use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::{ApiError, Cause};
use isthmus_local_store::Key;
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::core::Core;
use crate::ids;

/// Where the token, the CA and the namespace appear in every container.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Seconds that a mounted token is good for: kube-apiserver's number.
const TOKEN_SECONDS: u64 = 3607;

/// A new Pod, as ServiceAccount admission and the scheduler leave it.
pub(super) fn prepare(core: &Core, call: &Call, pod: &mut Value) -> Result<(), ApiError> {
    let name = meta::name(pod).to_owned();
    let node = pick_node(core);
    let Some(spec) = object_field(pod, "spec") else { return Ok(()) };
    let text =
        |spec: &Map<String, Value>, field: &str| spec.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut account = text(spec, "serviceAccountName");
    if account.is_empty() {
        account = text(spec, "serviceAccount");
    }
    if account.is_empty() {
        account = "default".to_owned();
    }
    spec.insert("serviceAccountName".to_owned(), json!(account));
    spec.insert("serviceAccount".to_owned(), json!(account));
    let namespace = call.namespace.as_deref().unwrap_or_default();
    let Some(found) = core.store.get(&Key::new("/serviceaccounts", Some(namespace), &account)) else {
        let why =
            format!("error looking up service account {namespace}/{account}: serviceaccount {account:?} not found");
        return Err(ApiError::forbidden("pods", &name, &why));
    };
    let automount = [spec.get("automountServiceAccountToken"), found.object.get("automountServiceAccountToken")];
    if automount.into_iter().flatten().find_map(Value::as_bool).unwrap_or(true) {
        mount_token(spec);
    }
    let mut bound = !text(spec, "nodeName").is_empty();
    if let (false, Some(node)) = (bound, node) {
        spec.insert("nodeName".to_owned(), json!(node));
        bound = true;
    }
    let mut status = json!({ "phase": "Pending", "qosClass": qos_class(pod) });
    if let (true, Some(status)) = (bound, status.as_object_mut()) {
        status.insert("conditions".to_owned(), json!([scheduled(&meta::rfc3339(call.now))]));
    }
    if let Some(map) = pod.as_object_mut() {
        map.insert("status".to_owned(), status);
    }
    Ok(())
}

/// The condition of a Pod that has a node.
pub(crate) fn scheduled(now: &str) -> Value {
    json!({ "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now })
}

/// A node that takes Pods.
fn pick_node(core: &Core) -> Option<String> {
    let nodes = core.store.list("/nodes", None).entries;
    let usable = |object: &Value| object.pointer("/spec/unschedulable").and_then(Value::as_bool) != Some(true);
    nodes.iter().find(|entry| usable(&entry.object)).map(|entry| entry.key.name.to_string())
}

fn mount_token(spec: &mut Map<String, Value>) {
    let mounted = |container: &Value| {
        let mounts = container.get("volumeMounts").and_then(Value::as_array);
        mounts.into_iter().flatten().any(|m| m.get("mountPath").and_then(Value::as_str) == Some(MOUNT_PATH))
    };
    let volumes = spec.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_ours = |volume: &&Value| {
        volume.get("name").and_then(Value::as_str).is_some_and(|name| name.starts_with("kube-api-access-"))
    };
    let existing = volumes.iter().find(is_ours).and_then(|volume| volume.get("name")).cloned();
    let name = existing.clone().unwrap_or_else(|| json!(ids::generate_name("kube-api-access-")));
    let mut used = false;
    for field in ["initContainers", "containers"] {
        for container in spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            if mounted(container) {
                continue;
            }
            used = true;
            let Some(map) = container.as_object_mut() else { continue };
            let mounts = map.entry("volumeMounts").or_insert_with(|| json!([]));
            if let Some(mounts) = mounts.as_array_mut() {
                mounts.push(json!({ "name": name, "readOnly": true, "mountPath": MOUNT_PATH }));
            }
        }
    }
    if !used || existing.is_some() {
        return;
    }
    let sources = json!([
        { "serviceAccountToken": { "expirationSeconds": TOKEN_SECONDS, "path": "token" } },
        { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
        { "downwardAPI": { "items": [{
            "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" },
        }] } },
    ]);
    let volume = json!({ "name": name, "projected": { "sources": sources, "defaultMode": 420 } });
    if let Some(volumes) = spec.entry("volumes").or_insert_with(|| json!([])).as_array_mut() {
        volumes.push(volume);
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort`, by the containers' resources.
fn qos_class(pod: &Value) -> &'static str {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let part = |container: &Value, path: &str| container.pointer(path).cloned().unwrap_or(Value::Null);
    let guaranteed = |container: &Value| {
        let limits = part(container, "/resources/limits");
        let complete = ["cpu", "memory"].iter().all(|name| limits.get(name).is_some());
        complete && limits == part(container, "/resources/requests")
    };
    let has_any = |container: &Value| {
        ["/resources/limits", "/resources/requests"]
            .iter()
            .any(|path| part(container, path).as_object().is_some_and(|map| !map.is_empty()))
    };
    if !containers.is_empty() && containers.iter().all(guaranteed) {
        "Guaranteed"
    } else if containers.iter().any(has_any) {
        "Burstable"
    } else {
        "BestEffort"
    }
}

fn object_field<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    object.as_object_mut()?.entry(field).or_insert_with(|| json!({})).as_object_mut()
}

/// A Pod's containers and volumes are what they were at its creation; images, deadlines and tolerations may change.
pub(super) fn validate(_core: &Core, call: &Call, live: Option<&Value>, pod: &Value) -> Result<(), ApiError> {
    let Some(live) = live else { return Ok(()) };
    let fixed = |pod: &Value| {
        let mut spec = pod.get("spec").cloned().unwrap_or_default();
        for field in ["containers", "initContainers"] {
            for container in spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(map) = container.as_object_mut() {
                    map.remove("image");
                }
            }
        }
        if let Some(map) = spec.as_object_mut() {
            for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"] {
                map.remove(field);
            }
        }
        spec
    };
    if fixed(live) == fixed(pod) {
        return Ok(());
    }
    let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    Err(ApiError::invalid("", "Pod", &call.name, vec![Cause::forbidden("spec", why)]))
}
