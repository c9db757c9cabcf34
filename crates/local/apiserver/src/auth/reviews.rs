//! Reviews: questions that are answered at once and never stored.

use isthmus_local_machinery::status::ApiError;
use serde_json::{Value, json};

use super::User;
use super::authenticate::bearer;
use super::rbac::{self, Action};
use super::token::ISSUER;
use crate::call::Call;
use crate::core::Core;
use crate::http::body;
use crate::http::reply::{self, Reply};

pub(crate) fn answer(core: &Core, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    let mut review = body::object(&call.headers, bytes)?.value;
    let spec = review.get("spec").cloned().unwrap_or_else(|| json!({}));
    let status = match call.kind.resource.kind.as_str() {
        "TokenReview" => token_review(core, &spec),
        "SelfSubjectReview" => json!({ "userInfo": call.user.to_info() }),
        "SelfSubjectAccessReview" => access(core, &call.user, &spec)?,
        "SubjectAccessReview" => access(core, &subject(&spec)?, &spec)?,
        "LocalSubjectAccessReview" => {
            let namespace = call.namespace.as_deref().unwrap_or_default();
            if spec.pointer("/resourceAttributes/namespace").and_then(Value::as_str) != Some(namespace) {
                return Err(ApiError::bad_request("spec.resourceAttributes.namespace must match metadata.namespace"));
            }
            access(core, &subject(&spec)?, &spec)?
        }
        "SelfSubjectRulesReview" => rules_review(core, call, &spec)?,
        other => return Err(ApiError::internal(&format!("no answer to a {other}"))),
    };
    let Some(map) = review.as_object_mut() else {
        return Err(ApiError::bad_request("the body is no JSON object"));
    };
    map.insert("apiVersion".to_owned(), json!(call.kind.resource.api_version()));
    map.insert("kind".to_owned(), json!(call.kind.resource.kind));
    let metadata = map.entry("metadata").or_insert_with(|| json!({}));
    if metadata.is_null() {
        *metadata = json!({});
    }
    map.insert("status".to_owned(), status);
    Ok(reply::json(201, &review))
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn token_review(core: &Core, spec: &Value) -> Value {
    let token = spec.get("token").and_then(Value::as_str).unwrap_or_default();
    let mut audiences = strings(spec.get("audiences"));
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    match bearer(token, &audiences, &core.signer, &core.store) {
        Ok((user, claims)) => {
            let shared: Vec<_> = claims.aud.iter().filter(|aud| audiences.contains(aud)).collect();
            json!({ "authenticated": true, "user": user.to_info(), "audiences": shared })
        }
        Err(error) => {
            json!({ "authenticated": false, "user": {}, "error": format!("[invalid bearer token, {error}]") })
        }
    }
}

fn subject(spec: &Value) -> Result<User, ApiError> {
    let text = |field: &str| spec.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let user = User { name: text("user"), uid: text("uid"), groups: strings(spec.get("groups")), ..User::default() };
    if user.name.is_empty() && user.groups.is_empty() {
        return Err(ApiError::bad_request("spec.user: at least one of user or group must be specified"));
    }
    Ok(user)
}

fn access(core: &Core, user: &User, spec: &Value) -> Result<Value, ApiError> {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let action = match (spec.get("resourceAttributes"), spec.get("nonResourceAttributes")) {
        (Some(a), None) if a.is_object() => Action {
            verb: text(a, "verb"),
            group: text(a, "group"),
            resource: text(a, "resource"),
            subresource: text(a, "subresource"),
            namespace: text(a, "namespace"),
            name: text(a, "name"),
            path: String::new(),
        },
        (None, Some(a)) if a.is_object() => {
            Action { verb: text(a, "verb"), path: text(a, "path"), ..Action::default() }
        }
        _ => {
            let why = "spec: exactly one of nonResourceAttributes or resourceAttributes must be specified";
            return Err(ApiError::bad_request(why));
        }
    };
    Ok(match rbac::allowed(&core.store, user, &action) {
        Some(reason) => json!({ "allowed": true, "reason": reason }),
        None => json!({ "allowed": false }),
    })
}

fn rules_review(core: &Core, call: &Call, spec: &Value) -> Result<Value, ApiError> {
    let namespace = spec.get("namespace").and_then(Value::as_str).unwrap_or_default();
    if namespace.is_empty() {
        return Err(ApiError::bad_request("no namespace on request"));
    }
    let rules = rbac::rules_for(&core.store, &call.user, namespace);
    let (paths, resources): (Vec<Value>, Vec<Value>) =
        rules.into_iter().partition(|rule| rule.get("nonResourceURLs").is_some());
    Ok(json!({ "resourceRules": resources, "nonResourceRules": paths, "incomplete": false }))
}
