//! `serviceaccounts/token`: TokenRequest.

use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::{ApiError, Cause};
use isthmus_local_store::Key;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::auth::token::{Grant, ISSUER, Private, Ref};
use crate::call::Call;
use crate::core::Core;
use crate::http::body;
use crate::http::reply::{self, Reply};

/// Seconds that a token is good for if the request doesn't say.
const DEFAULT_SECONDS: i64 = 3600;
const LEAST_SECONDS: i64 = 600;
/// A longer wish is cut to this: one year, and some leap seconds.
const MOST_SECONDS: i64 = 366 * 24 * 3600;

pub(super) fn create(core: &Core, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    let mut request = if bytes.is_empty() { json!({}) } else { body::object(&call.headers, bytes)?.value };
    let namespace = call.namespace.clone().unwrap_or_default();
    let account = core.store.get(&Key::new("/serviceaccounts", Some(&namespace), &call.name));
    let account = account.ok_or_else(|| call.not_found())?.object;
    let spec = request.get("spec").cloned().unwrap_or_else(|| json!({}));
    let seconds = spec.get("expirationSeconds").and_then(Value::as_i64).unwrap_or(DEFAULT_SECONDS);
    if seconds < LEAST_SECONDS {
        let cause = Cause::invalid(
            "spec.expirationSeconds",
            &json!(seconds),
            "may not specify a duration less than 10 minutes",
        );
        return Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", &call.name, vec![cause]));
    }
    let seconds = seconds.min(MOST_SECONDS);
    let audiences = spec.get("audiences").and_then(Value::as_array).into_iter().flatten();
    let mut audiences: Vec<String> = audiences.filter_map(Value::as_str).map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    let mut private = Private {
        namespace: namespace.clone(),
        node: None,
        pod: None,
        secret: None,
        serviceaccount: Ref { name: call.name.clone(), uid: meta::text(&account, "uid").to_owned() },
    };
    bind(core, call, &namespace, &spec, &mut private)?;
    let grant = Grant { private, audiences: audiences.clone(), seconds };
    let signed = core.signer.sign(grant, call.now.as_second());
    let (token, expires) = signed.ok_or_else(|| ApiError::internal("the token could not be signed"))?;
    let expires = Timestamp::from_second(expires).map(meta::rfc3339).unwrap_or_default();
    let Some(map) = request.as_object_mut() else {
        return Err(ApiError::bad_request("the body is no JSON object: send a TokenRequest"));
    };
    let mut shown = spec;
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("audiences".to_owned(), json!(audiences));
        shown.insert("expirationSeconds".to_owned(), json!(seconds));
    }
    map.insert("apiVersion".to_owned(), json!("authentication.k8s.io/v1"));
    map.insert("kind".to_owned(), json!("TokenRequest"));
    let created = meta::rfc3339(call.now);
    let metadata = json!({ "name": call.name, "namespace": namespace, "creationTimestamp": created });
    map.insert("metadata".to_owned(), metadata);
    map.insert("spec".to_owned(), shown);
    map.insert("status".to_owned(), json!({ "token": token, "expirationTimestamp": expires }));
    Ok(reply::json(201, &request))
}

/// Binds the token to the object that the request names: it is good only as long as that is there.
fn bind(core: &Core, call: &Call, namespace: &str, spec: &Value, private: &mut Private) -> Result<(), ApiError> {
    let Some(bound) = spec.get("boundObjectRef").filter(|bound| bound.is_object()) else { return Ok(()) };
    let text = |field: &str| bound.get(field).and_then(Value::as_str).unwrap_or_default();
    let (kind, name) = (text("kind"), text("name"));
    let (storage, resource) = match kind {
        "Pod" => ("/pods", "pods"),
        "Secret" => ("/secrets", "secrets"),
        other => {
            let why = format!("cannot bind token to object of type {other:?}: one of \"Pod\", \"Secret\"");
            return Err(ApiError::bad_request(why));
        }
    };
    let found = core.store.get(&Key::new(storage, Some(namespace), name));
    let found = found.ok_or_else(|| ApiError::not_found(resource, name))?.object;
    let uid = meta::text(&found, "uid");
    if !matches!(text("uid"), "" | "null") && text("uid") != uid {
        let why = format!("the UID in the bound object reference ({}) does not match the UID in record", text("uid"));
        return Err(ApiError::conflict_because(resource, name, &why));
    }
    let reference = Ref { name: name.to_owned(), uid: uid.to_owned() };
    if kind == "Secret" {
        private.secret = Some(reference);
        return Ok(());
    }
    let account = found.pointer("/spec/serviceAccountName").and_then(Value::as_str).unwrap_or_default();
    if account != call.name {
        let why = format!(
            "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount {account:?}",
            call.name
        );
        return Err(ApiError::bad_request(why));
    }
    if let Some(node) = found.pointer("/spec/nodeName").and_then(Value::as_str)
        && let Some(entry) = core.store.get(&Key::new("/nodes", None, node))
    {
        private.node = Some(Ref { name: node.to_owned(), uid: meta::text(&entry.object, "uid").to_owned() });
    }
    private.pod = Some(reference);
    Ok(())
}
