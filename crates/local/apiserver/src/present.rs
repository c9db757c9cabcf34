//! Objects and lists in the form that the client asked for.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use isthmus_local_machinery::status::ApiError;
use isthmus_local_machinery::table::{self, Include};
use serde_json::{Value, json};

use crate::call::Call;
use crate::http::negotiate::Form;
use crate::http::reply::{self, Reply};

/// One object.
pub(crate) fn one(call: &Call, code: u16, object: &Value) -> Result<Reply, ApiError> {
    let value = match call.form()? {
        Form::Object => return Ok(reply::json(code, object)),
        Form::Metadata => metadata_only(object),
        Form::Table => {
            let version = object.pointer("/metadata/resourceVersion").cloned().unwrap_or(Value::Null);
            let metadata = json!({ "resourceVersion": version });
            table::to_table(&call.kind.columns, [object], Some(&metadata), true, include(call)?, call.now)
        }
    };
    Ok(reply::json(code, &value))
}

/// A list with its metadata.
pub(crate) fn list(call: &Call, items: &[Arc<Value>], metadata: &Value) -> Result<Reply, ApiError> {
    let resource = &call.kind.resource;
    match call.form()? {
        Form::Object => Ok(written_list(&resource.list_kind, &resource.api_version(), items, metadata)),
        Form::Metadata => {
            let items: Vec<_> = items.iter().map(|item| Arc::new(metadata_only(item))).collect();
            Ok(written_list("PartialObjectMetadataList", "meta.k8s.io/v1", &items, metadata))
        }
        Form::Table => {
            let items = items.iter().map(AsRef::as_ref);
            let table = table::to_table(&call.kind.columns, items, Some(metadata), true, include(call)?, call.now);
            Ok(reply::json(200, &table))
        }
    }
}

/// The `includeObject` parameter of tables.
pub(crate) fn include(call: &Call) -> Result<Include, ApiError> {
    match call.query.get("includeObject") {
        None | Some("Metadata") => Ok(Include::Metadata),
        Some("Object") => Ok(Include::Object),
        Some("None") => Ok(Include::None),
        Some(other) => Err(ApiError::bad_request(format!(
            "unrecognized includeObject value {other:?}: one of \"None\", \"Metadata\", \"Object\""
        ))),
    }
}

/// A `PartialObjectMetadata`.
pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

/// Written item by item, so that no object is copied.
fn written_list(kind: &str, api_version: &str, items: &[Arc<Value>], metadata: &Value) -> Reply {
    let mut out = format!("{{\"kind\":{},\"apiVersion\":{},", json!(kind), json!(api_version)).into_bytes();
    out.extend_from_slice(format!("\"metadata\":{metadata},\"items\":[").as_bytes());
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        // Writing to a Vec can't fail, and a Value has only string keys.
        let _ = serde_json::to_writer(&mut out, item.as_ref());
    }
    out.extend_from_slice(b"]}\n");
    let mut reply = reply::text(200, out);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
