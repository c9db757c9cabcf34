//! A webhook's JSONPatch.

use json_patch::{PatchOperation, patch_unsafe};
use serde_json::Value;

/// Reads the patch.
pub(super) fn decode(patch: &[u8]) -> Result<Vec<PatchOperation>, String> {
    serde_json::from_slice(patch).map_err(|error| error.to_string())
}

/// Applies it, all or nothing. As in the real server, a `test` for null holds where there is nothing.
pub(super) fn apply(object: &Value, patch: &[PatchOperation]) -> Result<Value, String> {
    let mut patched = object.clone();
    for operation in patch {
        if let PatchOperation::Test(test) = operation
            && test.value.is_null()
            && patched.pointer(test.path.as_str()).is_none()
        {
            continue;
        }
        patch_unsafe(&mut patched, std::slice::from_ref(operation)).map_err(|error| error.to_string())?;
    }
    Ok(patched)
}
