//! What is in the cluster from the start.

use isthmus_local_machinery::meta;
use isthmus_local_store::{Key, StoreError};
use serde_json::{Value, json};

use crate::auth::roles;
use crate::core::{Core, Write};
use crate::ids;

const NAMESPACES: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease"];

/// Makes what is missing; with a data directory most of it is there already.
pub(crate) fn bootstrap(core: &Core) -> Result<(), StoreError> {
    core.registry.rebuild(&core.store);
    for name in NAMESPACES {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "labels": { "kubernetes.io/metadata.name": name } },
            "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" },
        });
        create(core, Key::new("/namespaces", None, name), namespace)?;
    }
    for (resource, name, object) in roles::cluster() {
        create(core, Key::new(&format!("rbac.authorization.k8s.io/{resource}"), None, name), object)?;
    }
    for (resource, name, object) in roles::in_kube_system() {
        let key = Key::new(&format!("rbac.authorization.k8s.io/{resource}"), Some("kube-system"), name);
        create(core, key, object)?;
    }
    replace(
        core,
        Key::new("/configmaps", Some("kube-system"), "extension-apiserver-authentication"),
        authentication(core),
    )?;
    let address = core.services.first().to_string();
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "labels": { "component": "apiserver", "provider": "kubernetes" } },
        "spec": {
            "clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster", "sessionAffinity": "None", "type": "ClusterIP",
            "ports": [{ "name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443 }],
        },
        "status": { "loadBalancer": {} },
    });
    create(core, Key::new("/services", Some("default"), "kubernetes"), service)
}

/// How extension API servers recognise users that this server names to them.
fn authentication(core: &Core) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "data": {
            "client-ca-file": core.pki.ca_pem(),
            "requestheader-allowed-names": "[\"front-proxy-client\"]",
            "requestheader-client-ca-file": core.pki.front_proxy_ca_pem(),
            "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
            "requestheader-group-headers": "[\"X-Remote-Group\"]",
            "requestheader-uid-headers": "[\"X-Remote-Uid\"]",
            "requestheader-username-headers": "[\"X-Remote-User\"]",
        },
    })
}

/// Creates an object of the server's own unless it is there.
pub(crate) fn create(core: &Core, key: Key, mut object: Value) -> Result<(), StoreError> {
    if core.store.get(&key).is_some() {
        return Ok(());
    }
    complete(&key, &mut object);
    match core.write_now(Write::Create(key, object)) {
        Ok(_) | Err(StoreError::Exists { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The same, where nobody waits for the outcome.
pub(crate) fn ensure(core: &Core, key: Key, object: Value) {
    let shown = key.to_string();
    if let Err(error) = create(core, key, object) {
        tracing::warn!(object = shown, %error, "it could not be made");
    }
}

/// Creates the object, or brings it to this content.
fn replace(core: &Core, key: Key, object: Value) -> Result<(), StoreError> {
    let Some(entry) = core.store.get(&key) else { return create(core, key, object) };
    let mut new = Value::clone(&entry.object);
    if let (Some(new), Some(data)) = (new.as_object_mut(), object.get("data")) {
        new.insert("data".to_owned(), data.clone());
    }
    core.write_now(Write::Update(key, entry.revision, new)).map(|_| ())
}

fn complete(key: &Key, object: &mut Value) {
    let Some(metadata) = meta::metadata_mut(object) else { return };
    metadata.insert("name".to_owned(), json!(&*key.name));
    if let Some(namespace) = &key.namespace {
        metadata.insert("namespace".to_owned(), json!(&**namespace));
    }
    metadata.insert("uid".to_owned(), json!(ids::uid()));
    metadata.insert("creationTimestamp".to_owned(), json!(meta::rfc3339(jiff::Timestamp::now())));
}
