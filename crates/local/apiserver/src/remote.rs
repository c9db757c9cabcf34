//! Groups of aggregated API servers: requests passed on, their resources, their availability.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use isthmus_local_callout::User;
use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::ApiError;
use isthmus_local_store::Key;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::core::{Core, Write};
use crate::dispatch::Visit;
use crate::http::reply::{self, Reply};
use crate::registry::Remote;

const STORAGE: &str = "apiregistration.k8s.io/apiservices";
/// How often each backend is asked whether it is there.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// A list of resources larger than this is not taken.
const LIST_BYTES: usize = 2 * 1024 * 1024;
/// How aggregated discovery is asked for, as Kubernetes' own aggregator does.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
/// How long discovery waits for one backend.
const LIST_TIME: Duration = Duration::from_secs(5);

/// Passes a request on in the name of its user.
pub(crate) async fn forward(visit: Visit, remote: Arc<Remote>, request: Request<Incoming>) -> Result<Reply, ApiError> {
    if !remote.available {
        return Err(ApiError::service_unavailable(format!(
            "service unavailable: APIService {} is not available",
            remote.name
        )));
    }
    let callouts = &visit.core.callouts;
    callouts.callout.aggregate(&remote.object, &callouts.front_proxy, &(&visit.user).into(), request).await
}

/// `/apis/<group>/<version>` of a backend.
pub(crate) async fn resources(core: &Core, remote: &Remote) -> Result<Reply, ApiError> {
    match fetch_resources(core, remote).await {
        Some(list) => Ok(reply::json(200, &list)),
        None => Err(ApiError::service_unavailable("service unavailable")),
    }
}

/// The backend's `APIResourceList`, if it gives one in time.
pub(crate) async fn fetch_resources(core: &Core, remote: &Remote) -> Option<Value> {
    let path = format!("/apis/{}/{}", remote.group, remote.version);
    let asked = fetch(core, remote, &path, "application/json");
    tokio::time::timeout(LIST_TIME, asked).await.ok().flatten().map(|(_, list)| list)
}

/// The backend's resources in the aggregated form, if it knows that, and gives it in time.
pub(crate) async fn fetch_aggregated(core: &Core, remote: &Remote) -> Option<Vec<Value>> {
    let asked = fetch(core, remote, "/apis", AGGREGATED);
    let (media, document) = tokio::time::timeout(LIST_TIME, asked).await.ok().flatten()?;
    // Who doesn't know it answers with something else.
    let known = media.split(';').any(|part| part.trim() == "as=APIGroupDiscoveryList");
    let field = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let groups = document.get("items").and_then(Value::as_array).filter(|_| known)?;
    let group = groups.iter().find(|group| field(group, "/metadata/name").as_deref() == Some(&*remote.group))?;
    let versions = group.get("versions").and_then(Value::as_array)?;
    let version = versions.iter().find(|version| field(version, "/version").as_deref() == Some(&*remote.version))?;
    version.get("resources").and_then(Value::as_array).cloned()
}

/// Media type and body.
async fn fetch(core: &Core, remote: &Remote, path: &str, accept: &str) -> Option<(String, Value)> {
    if !remote.available {
        return None;
    }
    let user = User {
        name: "system:aggregator".to_owned(),
        groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
        ..User::default()
    };
    let request = Request::get(path).header("accept", accept).body(Empty::<Bytes>::new()).ok()?;
    let callouts = &core.callouts;
    let reply = callouts.callout.aggregate(&remote.object, &callouts.front_proxy, &user, request).await.ok()?;
    if reply.status() != StatusCode::OK {
        return None;
    }
    let media = reply.headers().get(http::header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
    let media = media.unwrap_or_default().to_owned();
    let mut body = reply.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.ok()?.into_data().unwrap_or_default();
        if bytes.len().saturating_add(data.len()) > LIST_BYTES {
            return None;
        }
        bytes.extend_from_slice(&data);
    }
    Some((media, serde_json::from_slice(&bytes).ok()?))
}

/// Keeps the `Available` condition of every APIService true to life, until shutdown.
pub(crate) async fn watch_availability(core: Arc<Core>, shutdown: CancellationToken) {
    let mut changes = core.store.watch(STORAGE, None, core.store.revision()).ok();
    loop {
        for entry in core.store.list(STORAGE, None).entries {
            probe(&core, &entry.key).await;
        }
        let changed = async {
            match changes.as_mut() {
                Some(changes) => changes.next().await.is_some(),
                None => std::future::pending().await,
            }
        };
        let gone = tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PROBE_INTERVAL) => false,
            more = changed => !more,
        };
        if gone {
            changes = None;
        }
    }
}

async fn probe(core: &Arc<Core>, key: &Key) {
    let Some(entry) = core.store.get(key) else { return };
    let found = core.callouts.callout.probe(&entry.object, &core.callouts.front_proxy).await;
    let status = if found.available { "True" } else { "False" };
    let old = entry.object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_ours = |c: &&Value| c.get("type").and_then(Value::as_str) == Some("Available");
    let before = old.iter().find(is_ours);
    let same = |c: &&Value| c.get("status").and_then(Value::as_str) == Some(status);
    let since = before.filter(same).and_then(|c| c.get("lastTransitionTime")).cloned();
    let since = since.unwrap_or_else(|| json!(meta::rfc3339(jiff::Timestamp::now())));
    let condition = json!({
        "type": "Available", "status": status, "reason": found.reason, "message": found.message,
        "lastTransitionTime": since,
    });
    if before == Some(&condition) {
        return;
    }
    let mut object = Value::clone(&entry.object);
    let mut conditions: Vec<Value> = old.iter().filter(|c| !is_ours(c)).cloned().collect();
    conditions.push(condition);
    if let Some(map) = object.as_object_mut() {
        map.insert("status".to_owned(), json!({ "conditions": conditions }));
    }
    // Changed meanwhile: the next round sees to it.
    if let Err(error) = core.write(Write::Update(entry.key, entry.revision, object)).await {
        tracing::debug!(%error, "an APIService changed while it was probed");
    }
}
