//! From a request to its handler: authentication, authorization, routing, time limit, panics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{Method, Request};
use hyper::body::Incoming;
use isthmus_local_machinery::status::ApiError;
use tokio_util::sync::CancellationToken;

use crate::auth::rbac::{self, Action};
use crate::auth::{User, authenticate, impersonate};
use crate::call::Call;
use crate::core::Core;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::http::target::{ResourcePath, Target, verb};
use crate::{discovery, plain, remote, rest};

/// A request on its way: the parts that handlers of every sort need.
pub(crate) struct Visit {
    pub(crate) core: Arc<Core>,
    pub(crate) user: User,
    pub(crate) shutdown: CancellationToken,
}

/// The answer to any request, errors and panics included. Boxed, for it is large and of many shapes.
pub(crate) fn answer(
    core: Arc<Core>,
    certificate: Option<Arc<User>>,
    request: Request<Incoming>,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Reply> {
    Box::pin(guarded(core, certificate, request, shutdown))
}

async fn guarded(
    core: Arc<Core>,
    certificate: Option<Arc<User>>,
    request: Request<Incoming>,
    shutdown: CancellationToken,
) -> Reply {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let work = AssertUnwindSafe(route(core.clone(), certificate, request, shutdown)).catch_unwind();
    let reply = match work.await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => reply::error(&error),
        Err(_) => {
            core.metrics.panicked();
            tracing::error!(%method, path, "a handler panicked: this is a fault of the server");
            reply::error(&ApiError::internal("the server failed at this request; its log says more"))
        }
    };
    core.metrics.answered(reply.status().as_u16());
    tracing::debug!(%method, path, code = reply.status().as_u16(), "answered");
    reply
}

async fn route(
    core: Arc<Core>,
    certificate: Option<Arc<User>>,
    request: Request<Incoming>,
    shutdown: CancellationToken,
) -> Result<Reply, ApiError> {
    let path = request.uri().path().to_owned();
    if plain::is_public(&path) {
        return plain::answer(&core, &path, shutdown.is_cancelled());
    }
    let user = authenticate::authenticate(request.headers(), certificate.as_deref(), &core.signer, &core.store)?;
    if user.is_anonymous() {
        return Err(ApiError::unauthorized());
    }
    let user = impersonate::impersonate(request.headers(), user, &core.store)?;
    let visit = Visit { core, user, shutdown };
    match Target::parse(&path) {
        Target::Resource(target) => resource(visit, target, request).await,
        Target::Other(path) => other(visit, &path, request).await,
    }
}

async fn other(visit: Visit, path: &str, request: Request<Incoming>) -> Result<Reply, ApiError> {
    let action = Action { verb: request.method().as_str().to_lowercase(), path: path.to_owned(), ..Action::default() };
    authorize(&visit, &action)?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(ApiError::method_not_allowed("", request.method().as_str()));
    }
    match discovery::answer(&visit.core, path, request.headers(), request.uri().query().unwrap_or_default()).await {
        Some(reply) => reply,
        None => plain::answer(&visit.core, path, visit.shutdown.is_cancelled()),
    }
}

async fn resource(visit: Visit, target: ResourcePath, request: Request<Incoming>) -> Result<Reply, ApiError> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let verb = verb(request.method(), target.name.is_some(), query.flag("watch"));
    authorize(&visit, &action(&target, verb))?;
    let catalog = visit.core.registry.now();
    let kind = catalog.find(&target.group, &target.version, &target.resource).cloned();
    let Some(kind) = kind else {
        return match catalog.remote(&target.group, &target.version) {
            Some(remote) => remote::forward(visit, remote.clone(), request).await,
            None => Err(ApiError::no_such_resource()),
        };
    };
    let mut call = Call::new(visit.user.clone(), verb, kind);
    call.namespace = target.namespace;
    call.name = target.name.unwrap_or_default();
    call.subresource = target.subresource.unwrap_or_default();
    call.query = query;
    check(&call)?;
    if let Some(warning) = call.kind.custom.as_ref().and_then(|custom| custom.deprecation_warning.as_ref()) {
        call.warn(warning.clone());
    }
    let (parts, body) = request.into_parts();
    call.headers = parts.headers.clone();
    // Warnings are for a client whose request fails, too: they may say why.
    let mut reply = serve(visit, &call, parts, body).await.unwrap_or_else(|error| reply::error(&error));
    reply::warn(&mut reply, &call.take_warnings());
    Ok(reply)
}

async fn serve(visit: Visit, call: &Call, parts: Parts, body: Incoming) -> Result<Reply, ApiError> {
    if crate::subresource::stream::is_stream(call) {
        return crate::subresource::stream::forward(visit, call, Request::from_parts(parts, body)).await;
    }
    let limit = visit.core.limits.request_time;
    let work = rest::answer(visit, call, body);
    match tokio::time::timeout(limit, work).await {
        Ok(reply) => reply,
        Err(_) => Err(ApiError::timeout("the request did not complete in time", 1)),
    }
}

/// What can be told from the path alone.
fn check(call: &Call) -> Result<(), ApiError> {
    let resource = &call.kind.resource;
    if call.verb.is_empty() {
        return Err(ApiError::method_not_allowed(&resource.group_resource(), "the method"));
    }
    if call.namespace.is_some() && !resource.namespaced {
        return Err(ApiError::no_such_resource());
    }
    if call.name.is_empty() && matches!(call.verb, "update" | "patch") {
        return Err(ApiError::method_not_allowed(&resource.group_resource(), call.verb));
    }
    let everywhere = matches!(call.verb, "list" | "watch" | "deletecollection") && call.name.is_empty();
    let review = resource.create_only() && call.verb == "create";
    if resource.namespaced && call.namespace.is_none() && !everywhere && !review {
        return Err(if call.name.is_empty() {
            ApiError::bad_request("an empty namespace may not be set during creation")
        } else {
            ApiError::no_such_resource()
        });
    }
    let verbs = match call.subresource.as_str() {
        "" => &resource.verbs,
        name => &resource.subresource(name).ok_or_else(ApiError::no_such_resource)?.verbs,
    };
    if verbs.iter().any(|verb| verb == call.verb) {
        return Ok(());
    }
    Err(ApiError::method_not_allowed(&resource.group_resource(), call.verb))
}

fn action(target: &ResourcePath, verb: &'static str) -> Action {
    let subresource = target.subresource.clone().unwrap_or_default();
    Action {
        verb: verb.to_owned(),
        group: target.group.clone(),
        resource: target.resource.clone(),
        // A proxied path below the subresource is not part of its name.
        subresource: subresource.split('/').next().unwrap_or_default().to_owned(),
        namespace: target.namespace.clone().unwrap_or_default(),
        name: target.name.clone().unwrap_or_default(),
        path: String::new(),
    }
}

fn authorize(visit: &Visit, action: &Action) -> Result<(), ApiError> {
    if rbac::allowed(&visit.core.store, &visit.user, action).is_some() {
        return Ok(());
    }
    let resource = if action.group.is_empty() || action.resource.is_empty() {
        action.resource.clone()
    } else {
        format!("{}.{}", action.resource, action.group)
    };
    Err(ApiError::forbidden(&resource, &action.name, &action.refusal(&visit.user)))
}
