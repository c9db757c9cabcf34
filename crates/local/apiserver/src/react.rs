//! What follows from a write at once, before its client hears of it.

use isthmus_local_machinery::meta;
use isthmus_local_store::{Entry, Key};
use serde_json::{Value, json};

use crate::admission;
use crate::core::{Core, Write};
use crate::{bootstrap, crd};

pub(crate) fn after(core: &Core, entry: &Entry, deleted: bool) {
    match &*entry.key.resource {
        crd::STORAGE => {
            core.registry.rebuild(&core.store);
            if deleted && let Some(group) = entry.object.pointer("/spec/group").and_then(Value::as_str) {
                crd::reconsider(core, group);
            }
        }
        "apiregistration.k8s.io/apiservices" => core.registry.rebuild(&core.store),
        "/namespaces" if !deleted => furnish(core, entry),
        "/nodes" if !deleted => bind_waiting(core, &entry.key.name),
        storage if deleted => crd::after_custom_object(core, storage),
        _ => {}
    }
}

/// Every namespace has a `default` ServiceAccount and the root CA from its first moment, so that Pods can follow in the
/// same `kubectl apply`.
fn furnish(core: &Core, entry: &Entry) {
    if entry.object.pointer("/metadata/deletionTimestamp").is_some() {
        return;
    }
    let namespace = &*entry.key.name;
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount" });
    bootstrap::ensure(core, Key::new("/serviceaccounts", Some(namespace), "default"), account);
    let root = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": { "ca.crt": core.pki.ca_pem() },
        "metadata": { "annotations": { "kubernetes.io/description":
            "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters." } },
    });
    bootstrap::ensure(core, Key::new("/configmaps", Some(namespace), "kube-root-ca.crt"), root);
}

/// Gives Pods that came before the node to it.
fn bind_waiting(core: &Core, node: &str) {
    for entry in core.store.list("/pods", None).entries {
        let named = |path: &str| entry.object.pointer(path).is_some();
        if named("/spec/nodeName") || named("/metadata/deletionTimestamp") {
            continue;
        }
        let mut pod = Value::clone(&entry.object);
        bind(&mut pod, node);
        if let Err(error) = core.write_now(Write::Update(entry.key.clone(), entry.revision, pod)) {
            tracing::debug!(pod = %entry.key, %error, "it changed while it was bound");
        }
    }
}

/// Puts a Pod on a node.
pub(crate) fn bind(pod: &mut Value, node: &str) {
    let Some(map) = pod.as_object_mut() else { return };
    if let Some(spec) = map.entry("spec").or_insert_with(|| json!({})).as_object_mut() {
        spec.insert("nodeName".to_owned(), json!(node));
    }
    if let Some(status) = map.entry("status").or_insert_with(|| json!({})).as_object_mut() {
        let conditions = status.entry("conditions").or_insert_with(|| json!([]));
        if let Some(list) = conditions.as_array_mut() {
            list.retain(|c| c.get("type").and_then(Value::as_str) != Some("PodScheduled"));
            list.push(admission::scheduled(&meta::rfc3339(jiff::Timestamp::now())));
        }
    }
}
