//! SMI objects of every version and origin, as v1alpha4.

pub(crate) mod binding;
pub(crate) mod group;
pub(crate) mod ports;
pub(crate) mod split;
pub(crate) mod target;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    fields::{Blame, Fields},
    input::{Document, title},
    outcome::{Extent, Finding, Outcome},
};

/// What the API server writes, and nobody applies.
const SERVERS: [&str; 7] =
    ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "deletionTimestamp"];
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The metadata that an object keeps: name, namespace, labels and annotations.
pub(crate) fn metadata(document: &Document, outcome: &mut Outcome) -> Result<Map<String, Value>, Blame> {
    let mut fields = Fields::of("metadata", document.value.get("metadata").cloned().unwrap_or_else(|| json!({})))?;
    let mut kept = Map::new();
    kept.insert("name".into(), fields.needed("name")?.into());
    if let Some(namespace) = fields.text("namespace")?.filter(|namespace| !namespace.is_empty()) {
        kept.insert("namespace".into(), namespace.into());
    }
    for key in ["labels", "annotations"] {
        let at = fields.at(key);
        let Some(value) = fields.take(key) else { continue };
        let Value::Object(mut map) = value else {
            return Err(Blame::new(at, "a map is expected", "correct it, and translate again"));
        };
        map.remove(LAST_APPLIED);
        if !map.is_empty() {
            kept.insert(key.into(), map.into());
        }
    }
    for key in SERVERS {
        fields.take(key);
    }
    for field in fields.rest() {
        outcome.note(
            document,
            field,
            "who owns or finalizes the object isn't carried over",
            "nothing, if whoever writes it (Flagger, Argo Rollouts) goes on writing it",
        );
    }
    Ok(kept)
}

/// An object of ours.
pub(crate) fn object(group: &str, kind: &str, metadata: Map<String, Value>, spec: Value) -> Value {
    json!({ "apiVersion": format!("{group}/v1alpha4"), "kind": kind, "metadata": metadata, "spec": spec })
}

/// Sets a field of a map.
pub(crate) fn set(map: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(map) = map.as_object_mut() {
        map.insert(key.to_owned(), value.into());
    }
}

/// A made object's metadata: beside the one that it was made for.
pub(crate) fn beside(document: &Document, name: &str) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("name".into(), name.into());
    if let Some(namespace) = document.namespace() {
        metadata.insert("namespace".into(), namespace.into());
    }
    metadata
}

/// A made object's name, no longer than names may be: its end tells it from others, so it is the beginning that is cut.
pub(crate) fn made_name(name: &str) -> String {
    let cut = name.len().saturating_sub(253);
    let kept = name.get(cut..).unwrap_or(name);
    kept.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// `svc`, `svc.ns` or `svc.ns.svc…`: the Service's name and, where it is said, its namespace.
pub(crate) fn service_name(name: &str) -> (&str, Option<&str>) {
    let mut labels = name.trim_end_matches('.').split('.');
    (labels.next().unwrap_or_default(), labels.next())
}

/// Several splits of one Service: here the oldest holds, elsewhere that differs.
pub(crate) fn siblings(outcome: &mut Outcome) {
    let mut roots: BTreeMap<(Option<&str>, &str), Vec<String>> = BTreeMap::new();
    for object in outcome.objects.iter().filter(|o| o.get("kind").is_some_and(|k| k == "TrafficSplit")) {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
        let (root, _) = service_name(text("/spec/service").unwrap_or_default());
        roots.entry((text("/metadata/namespace"), root)).or_default().push(title(object));
    }
    let several = roots.into_values().filter(|splits| splits.len() > 1);
    let findings: Vec<Finding> = several
        .map(|splits| Finding {
            left_out: Extent::Part,
            object: splits.join(", "),
            source: String::new(),
            field: "spec.service".into(),
            why: "these splits have one root Service; here the oldest holds, and the others have no effect".into(),
            remedy: "keep one of them".into(),
        })
        .collect();
    outcome.findings.extend(findings);
}
