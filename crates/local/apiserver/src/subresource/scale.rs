//! `scale`: the replicas of a workload or a custom object, apart from the rest.

use std::sync::Arc;

use isthmus_local_machinery::schema::Schema;
use isthmus_local_machinery::status::{ApiError, Cause};
use isthmus_local_machinery::{decode, meta};
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::convert;
use crate::core::{Core, key};
use crate::http::body;
use crate::http::reply::{self, Reply};
use crate::rest::{self, PatchKind, patch_kind, patched};

pub(super) async fn answer(core: &Arc<Core>, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    let changed = match call.verb {
        "get" => {
            let key = key(&call.kind, call.namespace.as_deref(), &call.name);
            let entry = core.store.get(&key).ok_or_else(|| call.not_found())?;
            convert::one_from_storage(core, &call.kind, entry.object).await?
        }
        "update" => {
            let wanted = body::object(&call.headers, bytes)?.value;
            rest::change(core, call, rest::Part::Main, false, |live| scaled(call, live, &wanted)).await?
        }
        "patch" => {
            let kind = patch_kind(call)?;
            let patch = match kind {
                PatchKind::Apply => decode::yaml(bytes)?.value,
                _ => decode::json(bytes)?.value,
            };
            let make = |live: &Value| scaled(call, live, &patched(kind, &Schema::any(), &scale(call, live), &patch)?);
            rest::change(core, call, rest::Part::Main, false, make).await?
        }
        _ => return Err(ApiError::method_not_allowed(&call.kind.group_resource(), call.verb)),
    };
    Ok(reply::json(200, &scale(call, &changed)))
}

/// Where an object says how often it shall run, how often it does, and by which labels.
struct Paths {
    wanted: Vec<String>,
    running: Vec<String>,
    selector: Option<Vec<String>>,
}

fn paths(call: &Call) -> Paths {
    let split = |path: &str| path.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let custom = call.kind.custom.as_ref().and_then(|custom| custom.scale.as_ref());
    let path = |field: &str| custom.and_then(|scale| scale.get(field)).and_then(Value::as_str);
    Paths {
        wanted: split(path("specReplicasPath").unwrap_or(".spec.replicas")),
        running: split(path("statusReplicasPath").unwrap_or(".status.replicas")),
        selector: path("labelSelectorPath").map(split),
    }
}

fn at<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, part| value.get(part))
}

/// The `Scale` of an object.
fn scale(call: &Call, object: &Value) -> Value {
    let paths = paths(call);
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = meta::metadata(object).and_then(|metadata| metadata.get(field)) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let number = |path: &[String]| at(object, path).and_then(Value::as_i64).unwrap_or(0);
    let mut status = json!({ "replicas": number(&paths.running) });
    let selector = match &paths.selector {
        Some(path) => at(object, path).and_then(Value::as_str).map(str::to_owned),
        None if call.kind.custom.is_none() => Some(selector_text(object)),
        None => None,
    };
    if let (Some(selector), Some(map)) = (selector, status.as_object_mut()) {
        map.insert("selector".to_owned(), json!(selector));
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": { "replicas": number(&paths.wanted) }, "status": status,
    })
}

/// `spec.selector.matchLabels` as text.
fn selector_text(object: &Value) -> String {
    // A ReplicationController's selector is labels and nothing else.
    let selector = object.pointer("/spec/selector");
    let labels = selector.and_then(|selector| selector.get("matchLabels").unwrap_or(selector).as_object());
    let pairs = labels.into_iter().flatten().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    pairs.collect::<Vec<_>>().join(",")
}

/// The object with the replicas (and the preconditions) of a `Scale`.
fn scaled(call: &Call, live: &Value, scale: &Value) -> Result<Value, ApiError> {
    let asked = scale.pointer("/spec/replicas");
    let replicas = asked.map_or(Some(0), Value::as_i64).filter(|n| (0..=i64::from(i32::MAX)).contains(n));
    let Some(replicas) = replicas else {
        let value = asked.cloned().unwrap_or_default();
        let cause = Cause::invalid("spec.replicas", &value, "must be a whole number, greater than or equal to 0");
        return Err(ApiError::invalid("autoscaling", "Scale", &call.name, vec![cause]));
    };
    let mut object = live.clone();
    let mut slot = &mut object;
    for part in paths(call).wanted {
        let Some(map) = slot.as_object_mut() else {
            return Err(ApiError::internal("the object has no place for its replicas"));
        };
        slot = map.entry(part).or_insert_with(|| json!({}));
    }
    *slot = json!(replicas);
    for field in ["uid", "resourceVersion"] {
        let wanted = meta::text(scale, field);
        if let (false, Some(metadata)) = (wanted.is_empty(), meta::metadata_mut(&mut object)) {
            metadata.insert(field.to_owned(), json!(wanted));
        }
    }
    Ok(object)
}
