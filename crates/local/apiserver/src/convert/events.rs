//! Events have two shapes, of the core group (which is stored) and of `events.k8s.io`.

use serde_json::{Map, Value, json};

/// (core, events.k8s.io)
const RENAMED: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// From the core group's shape.
pub(super) fn to_new(event: &Value) -> Value {
    renamed(event, "events.k8s.io/v1", |(old, new)| (old, new))
}

/// Into the core group's shape.
pub(super) fn to_old(event: &Value) -> Value {
    renamed(event, "v1", |(old, new)| (new, old))
}

fn renamed(
    event: &Value,
    version: &str,
    order: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) -> Value {
    let Some(fields) = event.as_object() else { return event.clone() };
    let mut out = Map::new();
    for (name, value) in fields {
        let renamed = RENAMED.iter().map(|pair| order(*pair)).find(|(from, _)| from == name);
        out.insert(renamed.map_or(name.as_str(), |(_, to)| to).to_owned(), value.clone());
    }
    out.insert("apiVersion".to_owned(), json!(version));
    Value::Object(out)
}
