//! The object in a request's body: its kind, its fields, its namespace.

use isthmus_local_machinery::decode::Decoded;
use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::{ApiError, Cause};
use serde_json::{Value, json};

use crate::call::{Call, FieldValidation};

/// The body's object, as it may be stored: of the request's kind, in its namespace, without unknown fields.
pub(super) fn object(call: &Call, decoded: Decoded) -> Result<Value, ApiError> {
    let Decoded { mut value, duplicates } = decoded;
    identify(call, &mut value)?;
    place(call, &mut value)?;
    let duplicates = duplicates.iter().map(|path| format!("duplicate field {path:?}")).collect();
    known_fields(call, &mut value, duplicates)?;
    Ok(value)
}

/// Checks `apiVersion` and `kind`, and sets them where they are missing.
pub(super) fn identify(call: &Call, value: &mut Value) -> Result<(), ApiError> {
    let resource = &call.kind.resource;
    let Some(map) = value.as_object_mut() else {
        return Err(ApiError::bad_request(format!("the body is no JSON object: send a {}", resource.kind)));
    };
    for (field, wanted) in [("apiVersion", resource.api_version()), ("kind", resource.kind.clone())] {
        match map.get(field).and_then(Value::as_str).unwrap_or_default() {
            "" => {
                map.insert(field.to_owned(), json!(wanted));
            }
            found if found == wanted => {}
            found => {
                let what = if field == "kind" { "kind" } else { "API version" };
                return Err(ApiError::bad_request(format!(
                    "the {what} in the data ({found}) does not match the expected {what} ({wanted})"
                )));
            }
        }
    }
    Ok(())
}

/// Checks the name and the namespace against those of the path.
fn place(call: &Call, value: &mut Value) -> Result<(), ApiError> {
    let Some(metadata) = meta::metadata_mut(value) else { return Ok(()) };
    let text = |field: &str| metadata.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, namespace) = (text("name"), text("namespace"));
    match &call.namespace {
        Some(wanted) if namespace.is_empty() || namespace == *wanted => {
            metadata.insert("namespace".to_owned(), json!(wanted));
        }
        None if namespace.is_empty() || !call.kind.resource.namespaced => {
            metadata.remove("namespace");
        }
        _ => {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(ApiError::bad_request(why));
        }
    }
    if call.name.is_empty() || name == call.name {
        return Ok(());
    }
    if name.is_empty() {
        metadata.insert("name".to_owned(), json!(call.name));
        return Ok(());
    }
    let wanted = &call.name;
    Err(ApiError::bad_request(format!("the name of the object ({name}) does not match the name on the URL ({wanted})")))
}

/// Drops the fields that the schema doesn't know, and says so as `fieldValidation` wants it.
pub(super) fn known_fields(call: &Call, value: &mut Value, mut faults: Vec<String>) -> Result<(), ApiError> {
    let kind = &call.kind;
    let unknown = if kind.custom.is_some() {
        let unknown = kind.schema.unknown_fields(value);
        kind.schema.prune(value);
        unknown
    } else {
        kind.schema.decode(value)?
    };
    faults.splice(0..0, unknown.iter().map(|path| format!("unknown field {path:?}")));
    if faults.is_empty() {
        return Ok(());
    }
    match call.field_validation()? {
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Strict => {
            Err(ApiError::strict_decoding(&kind.resource.api_version(), &kind.resource.kind, &faults))
        }
        FieldValidation::Warn => {
            faults.into_iter().for_each(|fault| call.warn(fault));
            Ok(())
        }
    }
}

/// The error of an invalid object of this kind.
pub(super) fn invalid(call: &Call, name: &str, causes: Vec<Cause>) -> ApiError {
    ApiError::invalid(&call.kind.resource.group, &call.kind.resource.kind, name, causes)
}
