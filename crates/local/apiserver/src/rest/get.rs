//! Reading one object.

use isthmus_local_machinery::status::ApiError;

use crate::call::Call;
use crate::convert;
use crate::core::{Core, key};
use crate::http::reply::Reply;
use crate::present;

pub(super) async fn get(core: &Core, call: &Call) -> Result<Reply, ApiError> {
    let key = key(&call.kind, call.namespace.as_deref(), &call.name);
    let entry = core.store.get(&key).ok_or_else(|| call.not_found())?;
    if let Some(asked) = call.query.number("resourceVersion")?
        && asked > core.store.revision()
    {
        return Err(ApiError::too_large_resource_version(asked, core.store.revision()));
    }
    let object = convert::one_from_storage(core, &call.kind, entry.object).await?;
    present::one(call, 200, &object)
}
