//! The verbs on objects.

mod create;
mod delete;
mod finish;
mod get;
mod incoming;
mod list;
mod options;
mod patch;
mod update;
mod watch;

use futures::future::BoxFuture;
use hyper::body::Incoming;
use isthmus_local_machinery::status::ApiError;

pub(crate) use delete::{DeleteOptions, delete_object};
pub(crate) use patch::{Kind as PatchKind, patch_kind, patched};
pub(crate) use update::{Part, change};

use crate::call::Call;
use crate::dispatch::Visit;
use crate::http::body;
use crate::http::reply::Reply;
use crate::subresource;

/// The answer to an authorized request.
pub(crate) fn answer(visit: Visit, call: &Call, incoming: Incoming) -> BoxFuture<'_, Result<Reply, ApiError>> {
    Box::pin(by_verb(visit, call, incoming))
}

async fn by_verb(visit: Visit, call: &Call, incoming: Incoming) -> Result<Reply, ApiError> {
    let core = &visit.core;
    let read = body::read(incoming, core.limits.body_bytes, core.limits.read_time);
    // Of a GET nobody wants the body.
    let body = if matches!(call.verb, "get" | "list" | "watch") { bytes::Bytes::new() } else { read.await? };
    call.form()?;
    if !matches!(call.subresource.as_str(), "" | "status") {
        return subresource::answer(core, call, &body).await;
    }
    if call.kind.resource.create_only() {
        return crate::auth::reviews::answer(core, call, &body);
    }
    match call.verb {
        "get" => get::get(core, call).await,
        "list" => list::list(core, call).await,
        "watch" => watch::watch(visit, call).await,
        "create" => create::create(core, call, &body).await,
        "update" => update::update(core, call, &body).await,
        "patch" => patch::patch(core, call, &body).await,
        "delete" => delete::delete(core, call, &body).await,
        "deletecollection" => delete::collection(core, call, &body).await,
        _ => Err(ApiError::method_not_allowed(&call.kind.group_resource(), call.verb)),
    }
}
