//! Webhook configurations that could never be called are refused.

use isthmus_local_callout::admission::check;
use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::ApiError;
use serde_json::Value;

use crate::call::Call;

pub(super) fn validate(call: &Call, object: &Value) -> Result<(), ApiError> {
    let causes = check(object);
    if causes.is_empty() {
        return Ok(());
    }
    let resource = &call.kind.resource;
    Err(ApiError::invalid(&resource.group, &resource.kind, meta::name(object), causes))
}
