//! Namespaces: objects live only in one that is there and is not being deleted.

use std::sync::Arc;

use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::{ApiError, Cause, Details};
use isthmus_local_store::Key;
use serde_json::{Value, json};

use crate::call::Call;
use crate::core::Core;

/// Namespaces that can't be deleted.
const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

pub(crate) fn namespace(core: &Core, name: &str) -> Option<Arc<Value>> {
    if name.is_empty() {
        return None;
    }
    core.store.get(&Key::new("/namespaces", None, name)).map(|entry| entry.object)
}

/// Whether a new object may be put into the call's namespace.
pub(crate) fn namespace_takes(core: &Core, call: &Call) -> Result<(), ApiError> {
    let Some(name) = &call.namespace else { return Ok(()) };
    let Some(found) = namespace(core, name) else { return Err(ApiError::not_found("namespaces", name)) };
    if found.pointer("/metadata/deletionTimestamp").is_none() {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {name} because it is being terminated");
    let mut error = ApiError::forbidden(&call.kind.group_resource(), &call.name, &why);
    let cause = Cause {
        reason: "NamespaceTerminating",
        message: format!("namespace {name} is being terminated"),
        field: "metadata.namespace".to_owned(),
    };
    error.details.get_or_insert_with(Details::default).causes.push(cause);
    Err(error)
}

/// Whether an object of this name may be deleted at all.
pub(crate) fn deletable(call: &Call, name: &str) -> Result<(), ApiError> {
    if call.kind.is("", "namespaces") && IMMORTAL.contains(&name) {
        return Err(ApiError::forbidden("namespaces", name, "this namespace may not be deleted"));
    }
    Ok(())
}

/// A new namespace is active, has its name as a label, and is finished off by the controllers.
pub(super) fn prepare(live: Option<&Value>, object: &mut Value) {
    let name = meta::name(object).to_owned();
    if let Some(labels) = meta::metadata_mut(object)
        .map(|metadata| metadata.entry("labels").or_insert_with(|| json!({})))
        .and_then(Value::as_object_mut)
    {
        labels.insert("kubernetes.io/metadata.name".to_owned(), json!(name));
    }
    let Some(map) = object.as_object_mut() else { return };
    if let Some(live) = live {
        // Only `finalize` takes finalizers away, and nothing brings them back.
        map.insert("spec".to_owned(), live.get("spec").cloned().unwrap_or_else(|| json!({})));
    } else {
        map.insert("spec".to_owned(), json!({ "finalizers": ["kubernetes"] }));
        map.insert("status".to_owned(), json!({ "phase": "Active" }));
    }
}
