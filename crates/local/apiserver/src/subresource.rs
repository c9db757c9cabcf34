//! Subresources other than `status`.

mod binding;
mod scale;
pub(crate) mod stream;
mod token;

use std::sync::Arc;

use isthmus_local_machinery::status::ApiError;

use crate::call::Call;
use crate::core::Core;
use crate::http::body;
use crate::http::reply::Reply;
use crate::{present, rest};

pub(crate) async fn answer(core: &Arc<Core>, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    match call.subresource.as_str() {
        "scale" => scale::answer(core, call, bytes).await,
        "token" => token::create(core, call, bytes),
        "binding" => binding::bind(core, call, bytes).await,
        "eviction" => binding::evict(core, call, bytes).await,
        "finalize" => finalize(core, call, bytes).await,
        _ => Err(ApiError::no_such_resource()),
    }
}

/// `namespaces/finalize`: the only way to change a Namespace's `spec.finalizers`.
async fn finalize(core: &Arc<Core>, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    let wanted = body::object(&call.headers, bytes)?.value;
    let changed = rest::change(core, call, rest::Part::Whole, false, |live| {
        let mut object = live.clone();
        if let Some(map) = object.as_object_mut() {
            map.insert("spec".to_owned(), wanted.get("spec").cloned().unwrap_or_else(|| serde_json::json!({})));
        }
        Ok(object)
    });
    present::one(call, 200, &*changed.await?)
}
