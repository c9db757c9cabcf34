//! Patches, of four types.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use isthmus_local_machinery::apply::{self, Writer};
use isthmus_local_machinery::decode::{self, Decoded};
use isthmus_local_machinery::schema::Schema;
use isthmus_local_machinery::status::{ApiError, Cause};
use isthmus_local_machinery::{meta, patch as machinery, validation};
use serde_json::Value;

use super::create::create_object;
use super::incoming;
use super::update::{Part, change};
use crate::call::Call;
use crate::core::{Core, key};
use crate::http::negotiate::media_type;
use crate::http::reply::Reply;
use crate::present;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Apply,
    Json,
    Merge,
    Strategic,
}

const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// The patch type that the Content-Type names.
pub(crate) fn patch_kind(call: &Call) -> Result<Kind, ApiError> {
    let header = call.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match media_type(header).as_str() {
        APPLY => Ok(Kind::Apply),
        JSON => Ok(Kind::Json),
        MERGE => Ok(Kind::Merge),
        STRATEGIC if call.kind.custom.is_none() => Ok(Kind::Strategic),
        _ if call.kind.custom.is_some() => Err(ApiError::unsupported_media(&[JSON, MERGE, APPLY])),
        _ => Err(ApiError::unsupported_media(&[JSON, MERGE, STRATEGIC, APPLY])),
    }
}

pub(super) async fn patch(core: &Arc<Core>, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    let kind = patch_kind(call)?;
    if kind == Kind::Apply {
        return server_side_apply(core, call, bytes).await;
    }
    let decoded = decode::json(bytes)?;
    let part = if call.subresource == "status" { Part::Status } else { Part::Main };
    let changed = change(core, call, part, false, |live| {
        let mut object = patched(kind, &call.kind.schema, live, &decoded.value)?;
        incoming::identify(call, &mut object)?;
        if meta::name(&object) != call.name {
            let why = "metadata.name may not be changed by a patch";
            return Err(ApiError::bad_request(why));
        }
        let duplicates = decoded.duplicates.iter().map(|path| format!("duplicate field {path:?}")).collect();
        incoming::known_fields(call, &mut object, duplicates)?;
        Ok(object)
    });
    let changed = changed.await?;
    present::one(call, 200, &changed)
}

/// What a patch makes of an object.
pub(crate) fn patched(kind: Kind, schema: &Schema, live: &Value, patch: &Value) -> Result<Value, ApiError> {
    match kind {
        Kind::Json => machinery::json_patch(live, patch),
        Kind::Strategic => machinery::strategic_merge(schema, live, patch),
        Kind::Merge | Kind::Apply if patch.is_object() => Ok(machinery::merge_patch(live, patch)),
        Kind::Merge | Kind::Apply => Err(ApiError::bad_request("a merge patch is a JSON object")),
    }
}

async fn server_side_apply(core: &Arc<Core>, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    let mut config = configuration(call, bytes)?;
    if call.subresource.is_empty()
        && call.kind.resource.has_status()
        && let Some(map) = config.as_object_mut()
    {
        // It would not be written, so nobody may come to own it.
        map.remove("status");
    }
    let config = config;
    let manager = call.manager();
    let force = call.query.flag("force");
    let subresource = if call.subresource == "status" { "status" } else { "" };
    let writer = Writer { manager: &manager, subresource, now: call.now };
    let schema = &call.kind.schema;
    // Created or deleted meanwhile: then the other way is the right one.
    for _ in 0..3 {
        if core.store.get(&key(&call.kind, call.namespace.as_deref(), &call.name)).is_some() {
            let part = if subresource.is_empty() { Part::Main } else { Part::Status };
            let merged = change(core, call, part, true, |live| {
                let mut object = apply::apply(schema, Some(live), &config, writer, force)?;
                default(call, &mut object);
                apply::keep_times(live, &mut object);
                Ok(object)
            });
            match merged.await {
                Err(error) if error.code == 404 && subresource.is_empty() => continue,
                done => {
                    let merged = done?;
                    return present::one(call, 200, &merged);
                }
            }
        }
        if !subresource.is_empty() {
            return Err(call.not_found());
        }
        if !meta::text(&config, "uid").is_empty() {
            let why = "uid mismatch: the provided object specified a uid, and no existing object was found";
            return Err(ApiError::conflict_because(&call.kind.group_resource(), &call.name, why));
        }
        let object = apply::apply(schema, None, &config, writer, force)?;
        match create_object(core, call, object, true).await {
            Err(error) if error.reason == "AlreadyExists" => {}
            done => {
                let created = done?;
                return present::one(call, 201, &created);
            }
        }
    }
    Err(ApiError::conflict(&call.kind.group_resource(), &call.name))
}

fn default(call: &Call, object: &mut Value) {
    if call.kind.custom.is_some() {
        call.kind.schema.fill_defaults(object);
    } else {
        validation::default_object(&call.kind.resource, object);
    }
}

/// The applied configuration, checked.
fn configuration(call: &Call, bytes: &[u8]) -> Result<Value, ApiError> {
    if call.query.get("fieldManager").is_none() {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        return Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", vec![cause]));
    }
    let decoded = decode::yaml(bytes)?;
    let given = |field: &str| decoded.value.get(field).is_some_and(Value::is_string);
    if !given("apiVersion") || !given("kind") {
        return Err(ApiError::bad_request("an applied configuration must set apiVersion and kind"));
    }
    let Decoded { value: config, duplicates } = decoded;
    let config = incoming::object(call, Decoded { value: config, duplicates })?;
    let managed = meta::metadata(&config).and_then(|metadata| metadata.get("managedFields"));
    if managed.is_some_and(|fields| !fields.is_null()) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    Ok(config)
}
