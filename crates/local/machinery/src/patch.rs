//! The three patch types that name their change: JSON patch, merge patch, strategic merge patch.

mod json;
mod lists;
mod strategic;

use serde_json::{Map, Value};

pub use json::json_patch;

use crate::{schema::Schema, status::ApiError};

/// RFC 7396.
#[must_use]
pub fn merge_patch(original: &Value, patch: &Value) -> Value {
    let mut doc = original.clone();
    json_patch::merge(&mut doc, patch);
    doc
}

/// Kubernetes' own merge, by the schema's merge keys and the patch's directives (`$patch`, `$setElementOrder/…`,
/// `$deleteFromPrimitiveList/…`, `$retainKeys`).
///
/// # Errors
/// 400 when the patch is no object or doesn't fit the schema (an item without its merge key).
pub fn strategic_merge(schema: &Schema, original: &Value, patch: &Value) -> Result<Value, ApiError> {
    let Some(changes) = patch.as_object() else {
        return Err(ApiError::bad_request("a strategic merge patch must be an object"));
    };
    let mut map = original.as_object().cloned().unwrap_or_else(Map::new);
    strategic::merge_map(schema.root(), &mut map, changes)?;
    Ok(Value::Object(map))
}

#[cfg(test)]
mod tests;
