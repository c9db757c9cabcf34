//! Deployments and ReplicaSets.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Computed,
    cells::{age, joined, list, number, or_none, text},
};

pub(super) const DEPLOYMENT: &[Computed] = &[
    ("Ready", false, |d, _| format!("{}/{}", number(d, "/status/readyReplicas"), number(d, "/spec/replicas")).into()),
    ("Up-to-date", false, |d, _| number(d, "/status/updatedReplicas").into()),
    ("Available", false, |d, _| number(d, "/status/availableReplicas").into()),
    ("Age", false, age),
    ("Containers", true, containers),
    ("Images", true, images),
    ("Selector", true, selector),
];

pub(super) const REPLICA_SET: &[Computed] = &[
    ("Desired", false, |r, _| number(r, "/spec/replicas").into()),
    ("Current", false, |r, _| number(r, "/status/replicas").into()),
    ("Ready", false, |r, _| number(r, "/status/readyReplicas").into()),
    ("Age", false, age),
    ("Containers", true, containers),
    ("Images", true, images),
    ("Selector", true, selector),
];

fn containers(object: &Value, _: Timestamp) -> Value {
    joined(list(object, "/spec/template/spec/containers").iter().map(|c| text(c, "/name")))
}

fn images(object: &Value, _: Timestamp) -> Value {
    joined(list(object, "/spec/template/spec/containers").iter().map(|c| text(c, "/image")))
}

/// `a=b,c in (d,e),!f`.
fn selector(object: &Value, _: Timestamp) -> Value {
    let equal = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let equal = equal.into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let sets = list(object, "/spec/selector/matchExpressions").iter().map(|e| {
        let values = list(e, "/values").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
        match (text(e, "/operator"), text(e, "/key")) {
            ("In", key) => format!("{key} in ({values})"),
            ("NotIn", key) => format!("{key} notin ({values})"),
            ("DoesNotExist", key) => format!("!{key}"),
            (_, key) => key.to_owned(),
        }
    });
    or_none(&equal.chain(sets).collect::<Vec<_>>().join(","))
}
