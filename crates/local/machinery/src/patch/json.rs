//! JSON patch.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use crate::status::ApiError;

/// Operations in one patch, as kube-apiserver limits them.
const OPERATION_LIMIT: usize = 10_000;
/// Bytes that all `copy` operations of a patch may add.
const COPY_LIMIT: usize = 3 << 20;
/// Levels of the result; as many as serde_json reads. `move` and `copy` could otherwise nest an object without end.
const DEPTH_LIMIT: usize = 127;

/// RFC 6902, but `test` of null passes on a missing path, as in kube-apiserver.
///
/// # Errors
/// 400 for a malformed patch, 413 for one with too many operations or copies, 422 when an operation fails on this object.
pub fn json_patch(original: &Value, patch: &Value) -> Result<Value, ApiError> {
    let Patch(operations) = serde_json::from_value(patch.clone())
        .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
    if operations.len() > OPERATION_LIMIT {
        return Err(ApiError::too_large(OPERATION_LIMIT));
    }
    let mut copied = 0;
    let mut doc = original.clone();
    for operation in operations {
        match &operation {
            PatchOperation::Test(test) if test.value.is_null() && doc.pointer(test.path.as_str()).is_none() => continue,
            PatchOperation::Copy(copy) => {
                copied += doc.pointer(copy.from.as_str()).map_or(0, |value| value.to_string().len());
                if copied > COPY_LIMIT {
                    return Err(ApiError::too_large(COPY_LIMIT));
                }
            }
            _ => {}
        }
        json_patch::patch(&mut doc, std::slice::from_ref(&operation))
            .map_err(|error| ApiError::patch_failed(&error.to_string()))?;
    }
    if deeper_than(&doc, DEPTH_LIMIT) {
        return Err(ApiError::patch_failed(&format!("the result is nested deeper than {DEPTH_LIMIT} levels")));
    }
    Ok(doc)
}

/// Without recursion, since depth is what is in doubt.
fn deeper_than(doc: &Value, limit: usize) -> bool {
    let mut open = vec![(doc, 0)];
    while let Some((value, depth)) = open.pop() {
        if depth > limit {
            return true;
        }
        match value {
            Value::Array(list) => open.extend(list.iter().map(|inner| (inner, depth + 1))),
            Value::Object(map) => open.extend(map.values().map(|inner| (inner, depth + 1))),
            _ => {}
        }
    }
    false
}
