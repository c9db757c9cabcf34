//! `pods/binding` and `pods/eviction`.

use std::sync::Arc;

use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::ApiError;
use serde_json::{Value, json};

use crate::call::Call;
use crate::core::Core;
use crate::http::body;
use crate::http::reply::{self, Reply};
use crate::react;
use crate::rest::{self, DeleteOptions};

/// Puts a Pod on a node.
pub(super) async fn bind(core: &Arc<Core>, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    let binding = body::object(&call.headers, bytes)?.value;
    let node = binding.pointer("/target/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if node.is_empty() {
        return Err(ApiError::bad_request("target.name: Required value: name the node"));
    }
    rest::change(core, call, rest::Part::Whole, false, |live| {
        let mut pod = live.clone();
        let has = live.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
        if !has.is_empty() && has != node {
            let why = format!("pod {} is already assigned to node {has:?}", meta::name(live));
            return Err(ApiError::conflict_because("pods/binding", &call.name, &why));
        }
        react::bind(&mut pod, &node);
        Ok(pod)
    })
    .await?;
    Ok(reply::json(201, &success()))
}

/// Deletes a Pod in the polite way; nothing forbids it here, for there are no disruption budgets.
pub(super) async fn evict(core: &Arc<Core>, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    let eviction = body::object(&call.headers, bytes)?.value;
    let options = eviction.get("deleteOptions").cloned().unwrap_or_else(|| json!({}));
    let options = DeleteOptions::from_value(&options)?;
    rest::delete_object(core, call, call.namespace.as_deref(), &call.name, &options).await?;
    Ok(reply::json(201, &success()))
}

fn success() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 })
}
