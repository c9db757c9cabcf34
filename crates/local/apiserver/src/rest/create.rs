//! Creating an object.

use std::sync::Arc;

use isthmus_local_callout::admission::Operation;
use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::{ApiError, Cause};
use isthmus_local_store::StoreError;
use serde_json::{Map, Value, json};

use super::finish::Pending;
use super::incoming;
use crate::call::Call;
use crate::core::{Core, Write, key, store_error};
use crate::http::body;
use crate::http::reply::Reply;
use crate::{admission, convert, ids, present};

/// How often a generated name is tried again when it is taken.
const NAME_TRIES: usize = 8;

pub(super) async fn create(core: &Arc<Core>, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    let object = incoming::object(call, body::object(&call.headers, bytes)?)?;
    let created = create_object(core, call, object, false).await?;
    present::one(call, 201, &created)
}

/// Creates an object of the request's version and gives it back as it is stored, in that version.
pub(crate) async fn create_object(
    core: &Arc<Core>,
    call: &Call,
    object: Value,
    applied: bool,
) -> Result<Arc<Value>, ApiError> {
    let generated = meta::name(&object).is_empty() && !meta::text(&object, "generateName").is_empty();
    for _ in 0..NAME_TRIES {
        match once(core, call, object.clone(), applied).await {
            Err(error) if generated && error.reason == "AlreadyExists" => {}
            done => return done,
        }
    }
    Err(ApiError::already_exists(&call.kind.group_resource(), meta::text(&object, "generateName")))
}

async fn once(core: &Arc<Core>, call: &Call, mut object: Value, applied: bool) -> Result<Arc<Value>, ApiError> {
    let kind = &call.kind;
    let dry_run = call.dry_run()?;
    system_fields(call, &mut object)?;
    if kind.custom.as_ref().is_some_and(|custom| custom.terminating) {
        let why = "create not allowed while custom resource definition is terminating";
        return Err(ApiError::method_not_allowed(&kind.group_resource(), why));
    }
    admission::namespace_takes(core, call)?;
    // One at a time, so that no two Services are given the same address.
    let _guard = if kind.is("", "services") { Some(core.address_lock.lock().await) } else { None };
    let pending = Pending { core, call, live: None, operation: Operation::Create, applied, dry_run };
    let object = pending.finish(object).await?;
    let name = meta::name(&object).to_owned();
    let key = key(kind, call.namespace.as_deref(), &name);
    if dry_run {
        if core.store.get(&key).is_some() {
            return Err(store_error(kind, &name, StoreError::Exists { key }));
        }
        return Ok(Arc::new(object));
    }
    let stored = convert::to_storage(core, kind, object).await?;
    let entry = core.write(Write::Create(key, stored)).await.map_err(|error| store_error(kind, &name, error))?;
    convert::one_from_storage(core, kind, entry.object).await
}

/// What the server and nobody else sets.
fn system_fields(call: &Call, object: &mut Value) -> Result<(), ApiError> {
    let kind = &call.kind;
    if kind.resource.has_status()
        && !kind.is("", "nodes")
        && let Some(map) = object.as_object_mut()
    {
        map.remove("status");
    }
    let Some(metadata) = meta::metadata_mut(object) else {
        return Err(ApiError::bad_request("the body is no JSON object"));
    };
    let text = |metadata: &Map<String, Value>, field: &str| {
        metadata.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if !text(metadata, "resourceVersion").is_empty() {
        return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
    }
    for field in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
        metadata.remove(field);
    }
    if text(metadata, "name").is_empty() {
        let prefix = text(metadata, "generateName");
        if prefix.is_empty() {
            let cause = Cause::required("metadata.name", "name or generateName is required");
            return Err(incoming::invalid(call, "", vec![cause]));
        }
        metadata.insert("name".to_owned(), json!(ids::generate_name(&prefix)));
    }
    metadata.insert("uid".to_owned(), json!(ids::uid()));
    metadata.insert("creationTimestamp".to_owned(), json!(meta::rfc3339(call.now)));
    if kind.has_generation() {
        metadata.insert("generation".to_owned(), json!(1));
    }
    if kind.is("batch", "jobs") {
        select_own_pods(object);
    }
    Ok(())
}

/// A Job's pods are those with its UID: the server writes the selector, and the labels that it asks for.
fn select_own_pods(job: &mut Value) {
    const UID: &str = "batch.kubernetes.io/controller-uid";
    let (uid, name) = (meta::text(job, "uid").to_owned(), meta::name(job).to_owned());
    let Some(spec) = job.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    if let Some(selector) = object_at(spec, &["selector"]) {
        *selector = Map::from_iter([("matchLabels".to_owned(), json!({ UID: uid }))]);
    }
    let Some(labels) = object_at(spec, &["template", "metadata", "labels"]) else { return };
    let own = [(UID, &uid), ("controller-uid", &uid), ("batch.kubernetes.io/job-name", &name), ("job-name", &name)];
    labels.extend(own.map(|(label, value)| (label.to_owned(), json!(value))));
}

/// The object at the end of a path, made if it isn't there; none where something else stands in its way.
fn object_at<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let at = path.iter().try_fold(value, |value, field| {
        let field = value.as_object_mut()?.entry(*field).or_insert(Value::Null);
        if field.is_null() {
            *field = json!({});
        }
        Some(field)
    });
    at?.as_object_mut()
}
