//! Changing an object that is there.

use std::sync::Arc;

use isthmus_local_callout::admission::Operation;
use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::{ApiError, Cause};
use isthmus_local_store::{Entry, StoreError};
use serde_json::{Map, Value, json};

use super::delete::is_finished;
use super::finish::Pending;
use super::incoming;
use crate::call::Call;
use crate::core::{Core, Write, key, store_error};
use crate::http::body;
use crate::http::reply::Reply;
use crate::{convert, present};

/// How often a change is computed anew when somebody else was faster.
const TRIES: usize = 32;

/// Which part of the object a request may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status, where that is written apart.
    Main,
    /// Only the status.
    Status,
    /// The whole: for the server's own subresources.
    Whole,
}

impl Part {
    fn of(call: &Call) -> Self {
        if call.subresource == "status" { Self::Status } else { Self::Main }
    }
}

pub(super) async fn update(core: &Arc<Core>, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    let object = incoming::object(call, body::object(&call.headers, bytes)?)?;
    let unpinned = meta::text(&object, "resourceVersion").is_empty();
    if unpinned && call.kind.custom.is_some() {
        let cause = Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
        return Err(incoming::invalid(call, &call.name, vec![cause]));
    }
    let changed = change(core, call, Part::of(call), false, |_| Ok(object.clone())).await?;
    present::one(call, 200, &changed)
}

/// Changes the object that the call names: `make` gives the new object from the live one, both in the request's version.
/// `applied` says that `make` has written the managed fields. Gives the object as it is stored, in that version.
pub(crate) async fn change(
    core: &Arc<Core>,
    call: &Call,
    part: Part,
    applied: bool,
    make: impl Fn(&Value) -> Result<Value, ApiError>,
) -> Result<Arc<Value>, ApiError> {
    let kind = &call.kind;
    let key = key(kind, call.namespace.as_deref(), &call.name);
    let dry_run = call.dry_run()?;
    for _ in 0..TRIES {
        let entry = core.store.get(&key).ok_or_else(|| call.not_found())?;
        let live = convert::one_from_storage(core, kind, entry.object.clone()).await?;
        let mut object = make(&live)?;
        let pinned = check_identity(call, &live, &object)?;
        keep_system_fields(&live, &mut object);
        keep_other_part(call, part, &live, &mut object);
        let _guard = if kind.is("", "services") { Some(core.address_lock.lock().await) } else { None };
        let pending = Pending { core, call, live: Some(&live), operation: Operation::Update, applied, dry_run };
        let mut object = pending.finish(object).await?;
        keep_system_fields(&live, &mut object);
        count_generation(call, &live, &mut object);
        if dry_run {
            return Ok(Arc::new(object));
        }
        match store(core, call, &entry, object).await {
            Ok(stored) => return convert::one_from_storage(core, kind, stored.object).await,
            Err(StoreError::Conflict { .. }) if !pinned => {}
            Err(error) => return Err(store_error(kind, &call.name, error)),
        }
    }
    Err(ApiError::conflict(&kind.group_resource(), &call.name))
}

/// Writes the new state, or deletes the object if that was all that held it.
async fn store(core: &Arc<Core>, call: &Call, entry: &Entry, object: Value) -> Result<Entry, StoreError> {
    let gone = is_finished(&object);
    let stored = convert::to_storage(core, &call.kind, object).await;
    let stored = stored.map_err(|error| {
        tracing::warn!(%error, "an object could not be converted for storage");
        StoreError::MalformedObject { field: "apiVersion", remedy: "see the conversion webhook's own log" }
    })?;
    if !gone {
        return core.write(Write::Update(entry.key.clone(), entry.revision, stored)).await;
    }
    // The change itself is seen by nobody else: what the client gets is the last state.
    let last = core.write(Write::Delete(entry.key.clone(), Some(entry.revision))).await?;
    let mut object = stored;
    if let Some(metadata) = meta::metadata_mut(&mut object) {
        metadata.insert("resourceVersion".to_owned(), json!(last.revision.to_string()));
    }
    Ok(Entry { object: Arc::new(object), ..last })
}

/// Checks the preconditions that an object carries. True if it names a resourceVersion.
fn check_identity(call: &Call, live: &Value, object: &Value) -> Result<bool, ApiError> {
    let resource = call.kind.group_resource();
    let (uid, live_uid) = (meta::text(object, "uid"), meta::text(live, "uid"));
    if !uid.is_empty() && uid != live_uid {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {live_uid}");
        return Err(ApiError::conflict_because(&resource, &call.name, &why));
    }
    let version = meta::text(object, "resourceVersion");
    if version.is_empty() {
        return Ok(false);
    }
    if version != meta::text(live, "resourceVersion") {
        return Err(ApiError::conflict(&resource, &call.name));
    }
    // A patch starts from the live object, so it carries a version that its client may never have set.
    Ok(call.verb == "update" && call.subresource != "scale")
}

fn keep_system_fields(live: &Value, object: &mut Value) {
    let Some(old) = meta::metadata(live) else { return };
    let Some(metadata) = meta::metadata_mut(object) else { return };
    const KEPT: &[&str] = &[
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "selfLink",
    ];
    for field in KEPT {
        match old.get(*field) {
            Some(value) => metadata.insert((*field).to_owned(), value.clone()),
            None => metadata.remove(*field),
        };
    }
    let generate_name = old.get("generateName").cloned();
    if let (None, Some(name)) = (metadata.get("generateName"), generate_name) {
        metadata.insert("generateName".to_owned(), name);
    }
}

/// Takes from the live object what this request may not change.
fn keep_other_part(call: &Call, part: Part, live: &Value, object: &mut Value) {
    match part {
        Part::Whole => {}
        Part::Main if call.kind.resource.has_status() => copy_field(live, object, "status"),
        Part::Main => {}
        Part::Status => {
            let mut whole = live.clone();
            copy_field(object, &mut whole, "status");
            // Server-side apply has noted its fields there.
            let managed = meta::metadata(object).and_then(|m| m.get("managedFields")).cloned();
            if let (Some(managed), Some(metadata)) = (managed, meta::metadata_mut(&mut whole)) {
                metadata.insert("managedFields".to_owned(), managed);
            }
            *object = whole;
        }
    }
}

fn copy_field(from: &Value, to: &mut Value, field: &str) {
    let Some(map) = to.as_object_mut() else { return };
    match from.get(field) {
        Some(value) => map.insert(field.to_owned(), value.clone()),
        None => map.remove(field),
    };
}

/// A change of anything but metadata (and the status, where that is apart) counts.
fn count_generation(call: &Call, live: &Value, object: &mut Value) {
    if !call.kind.has_generation() {
        return;
    }
    let status_apart = call.kind.resource.has_status();
    let content = |value: &Value| -> Map<String, Value> {
        let mut map = value.as_object().cloned().unwrap_or_default();
        map.retain(|field, _| field != "metadata" && !(status_apart && field == "status"));
        map
    };
    if content(live) == content(object) {
        return;
    }
    let generation = live.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    if let Some(metadata) = meta::metadata_mut(object) {
        metadata.insert("generation".to_owned(), json!(generation.saturating_add(1)));
    }
}
