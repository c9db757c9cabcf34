//! Server-side apply and field management (`metadata.managedFields`, `FieldsV1`).
//!
//! A manager owns a set of field paths. An apply merges its configuration into the live object, takes away what the manager
//! applied before and no longer does (unless others own it), and conflicts with other managers where it changes their fields.
//! Any other write makes what it changed the writer's own. Sets written at another version of a kind are read as they stand,
//! so versions of one kind should have the same shape where managers of different versions meet.

mod conflict;
mod encode;
mod fields;
mod managers;
mod merge;
mod path;
mod walk;

use jiff::Timestamp;
use serde_json::{Value, json};

use self::{
    fields::Set,
    managers::{Managers, Operation},
    walk::Repeats,
};
use crate::{meta, schema::Schema, status::ApiError};

/// Annotation of kubectl's client-side apply.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The manager that kubectl's server-side apply names.
const KUBECTL: &str = "kubectl";
/// The owner of what an object without managed fields held before its first apply.
const BEFORE_FIRST: &str = "before-first-apply";

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The `fieldManager`, or the first part of the User-Agent.
    pub manager: &'a str,
    /// `status`, `scale`; empty for the object itself.
    pub subresource: &'a str,
    /// The time of the request.
    pub now: Timestamp,
}

/// Merges an applied configuration into the live object and records the fields as the manager's own.
/// `live` is in the same version as `config`. With the subresource `status` only `config`'s status counts; on the main endpoint
/// of a kind that has this subresource the caller has taken `status` out of `config`.
/// The result still has to be defaulted, checked and finished with [`keep_times`].
///
/// # Errors
/// 409 with `FieldManagerConflict` causes unless `force`; 400 for a configuration that doesn't fit the schema or holds
/// managed fields.
pub fn apply(
    schema: &Schema,
    live: Option<&Value>,
    config: &Value,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, ApiError> {
    if config.pointer("/metadata/managedFields").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let narrowed = if writer.subresource == "status" { status_of(config) } else { without_nulls(config) };
    let config = &narrowed;
    let applied =
        walk::set_of(schema.root(), config, Repeats::Refused).map_err(ApiError::bad_request)?.without_identity();
    let mut managers = live.map(Managers::read).unwrap_or_default();
    if let Some(live) = live
        && managers.is_empty()
    {
        let all = walk::set_of(schema.root(), live, Repeats::Allowed).unwrap_or_default().without_identity();
        let before = Writer { manager: BEFORE_FIRST, ..writer };
        managers.put(before, Operation::Update, api_version(live), all);
    }
    let version = api_version(config);
    let last = managers.get(writer, Operation::Apply, version).cloned().unwrap_or_default();
    managers.put(writer, Operation::Apply, version, applied.clone());

    let base = live.cloned().unwrap_or_else(|| identity(config));
    let mut merged = merge::merge(schema.root(), &base, config);
    let gone = managers.unowned(&last);
    merge::remove(schema.root(), &mut merged, &gone, &managers.all());

    let changes = walk::compare(schema.root(), Some(&base), &merged);
    let mut conflicts = managers.conflicts(writer, Operation::Apply, version, &changes);
    if writer.manager == KUBECTL
        && let Some(live) = live
    {
        forget_last_applied(schema, live, &mut conflicts);
    }
    if !conflicts.is_empty() && !force {
        return Err(conflict::error(&conflicts));
    }
    managers.give_up(writer, Operation::Apply, version, &changes);
    if writer.manager == KUBECTL {
        refresh_last_applied(config, &mut merged);
    }
    managers.write(&mut merged);
    Ok(merged)
}

/// Records an ordinary create, update or patch (operation `Update`) in `new`'s managed fields: what differs from `live`
/// becomes the manager's. Never fails: managed fields that can't be read are started anew. A `managedFields` of `[{}]` in
/// `new` forgets all owners; an absent or empty one keeps those of `live`.
pub fn update(schema: &Schema, live: Option<&Value>, new: &mut Value, writer: Writer<'_>) {
    let mut managers = match managers::given(new) {
        managers::Given::Reset => Managers::default(),
        managers::Given::Some => Managers::read(new),
        managers::Given::None => live.map(Managers::read).unwrap_or_default(),
    };
    let changes = walk::compare(schema.root(), live, new);
    let version = api_version(new).to_owned();
    managers.give_up(writer, Operation::Update, &version, &changes);
    let before = managers.get(writer, Operation::Update, &version).cloned().unwrap_or_default();
    let owned = before.minus(&changes.removed).union(&changes.modified).union(&changes.added).without_identity();
    managers.put(writer, Operation::Update, &version, owned);
    managers.write(new);
}

/// Gives `new` the managed fields of `live` when nothing but their times (and the resourceVersion) differs, so that the write
/// is no change.
pub fn keep_times(live: &Value, new: &mut Value) {
    const FIELD: &str = "managedFields";
    let timeless = |object: &Value| {
        let mut object = object.clone();
        if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.remove("resourceVersion");
        }
        for entry in object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(entry) = entry.as_object_mut() {
                entry.remove("time");
            }
        }
        object
    };
    if timeless(live) != timeless(new) {
        return;
    }
    if let (Some(old), Some(meta)) = (meta::metadata(live).and_then(|m| m.get(FIELD)), meta::metadata_mut(new)) {
        meta.insert(FIELD.to_owned(), old.clone());
    }
}

fn api_version(object: &Value) -> &str {
    object.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
}

/// What a configuration is merged into when nothing is there yet.
fn identity(config: &Value) -> Value {
    json!({"apiVersion": config.get("apiVersion"), "kind": config.get("kind")})
}

/// What `/status` writes of a configuration.
fn status_of(config: &Value) -> Value {
    let mut narrowed = identity(config);
    if let (Some(map), Some(status)) = (narrowed.as_object_mut(), config.get("status")) {
        map.insert("status".to_owned(), status.clone());
    }
    narrowed
}

/// Generated manifests have `metadata.creationTimestamp: null`; as in a typed decoder, that says nothing.
fn without_nulls(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(meta) = config.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.retain(|_, value| !value.is_null());
    }
    config
}

fn last_applied(live: &Value) -> Option<Value> {
    let text = meta::annotations(live).find(|(key, _)| *key == LAST_APPLIED)?.1;
    serde_json::from_str(text).ok()
}

/// Fields that kubectl set by client-side apply, and that nobody has changed since, are no conflict for kubectl.
fn forget_last_applied(schema: &Schema, live: &Value, conflicts: &mut Vec<managers::Conflict>) {
    let Some(last) = last_applied(live) else { return };
    let Ok(set) = walk::set_of(schema.root(), &last, Repeats::Allowed) else { return };
    let changes = walk::compare(schema.root(), Some(live), &last);
    let own = set.minus(&changes.modified).minus(&changes.added);
    let left: usize = conflicts.iter().map(|conflict| conflict.fields.minus(&own).len()).sum();
    if left == 0 {
        conflicts.clear();
    }
}

/// Keeps the annotation of client-side apply in step, so that a later client-side apply computes the right difference.
fn refresh_last_applied(config: &Value, merged: &mut Value) {
    if last_applied(merged).is_none() {
        return;
    }
    let mut text = config.to_string();
    text.push('\n');
    if let Some(Value::Object(annotations)) = merged.pointer_mut("/metadata/annotations") {
        annotations.insert(LAST_APPLIED.to_owned(), text.into());
    }
}

impl walk::Changes {
    /// What is there after the change and wasn't so before.
    fn touched(&self) -> Set {
        self.added.union(&self.modified)
    }
}

#[cfg(test)]
mod tests;
