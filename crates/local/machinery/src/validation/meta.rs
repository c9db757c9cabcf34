//! `ObjectMeta` of every kind.

use serde_json::Value;

use super::{list, names, text};
use crate::{resource::Resource, status::Cause};

/// Bytes of all annotations of an object.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

type Rule = fn(&str) -> Option<String>;

fn rule(resource: &Resource) -> Rule {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => names::label,
        ("", "Service") => names::label_1035,
        ("rbac.authorization.k8s.io", _) | ("apiregistration.k8s.io", _) => names::path_segment,
        _ => names::subdomain,
    }
}

pub(super) fn check(resource: &Resource, new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    let meta = new.get("metadata").unwrap_or(&empty);
    name(resource, meta, causes);
    namespace(resource, meta, causes);
    labels(meta, causes);
    annotations(meta, causes);
    for (i, finalizer) in list(meta, "finalizers") {
        let shown = finalizer.as_str().unwrap_or_default();
        if let Some(why) = names::qualified_name(shown) {
            causes.push(Cause::invalid(format!("metadata.finalizers[{i}]"), finalizer, &why));
        }
    }
    owners(meta, causes);
    if let Some(old) = old {
        changes(meta, old, causes);
    }
}

fn name(resource: &Resource, meta: &Value, causes: &mut Vec<Cause>) {
    let name = text(meta, "name");
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if let Some(why) = rule(resource)(name) {
        causes.push(Cause::invalid("metadata.name", &name.into(), &why));
    }
}

fn namespace(resource: &Resource, meta: &Value, causes: &mut Vec<Cause>) {
    let namespace = text(meta, "namespace");
    match (resource.namespaced, namespace) {
        (true, "") => causes.push(Cause::required("metadata.namespace", "")),
        (true, namespace) => {
            if let Some(why) = names::label(namespace) {
                causes.push(Cause::invalid("metadata.namespace", &namespace.into(), &why));
            }
        }
        (false, "") => {}
        (false, _) => causes.push(Cause::forbidden("metadata.namespace", "not allowed on this type")),
    }
}

fn labels(meta: &Value, causes: &mut Vec<Cause>) {
    labels_at(meta.get("labels"), "metadata.labels", causes);
}

/// Labels at any place, such as a selector's or a template's.
pub(super) fn labels_at(labels: Option<&Value>, field: &str, causes: &mut Vec<Cause>) {
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        if let Some(why) = names::qualified_name(key) {
            causes.push(Cause::invalid(field, &key.as_str().into(), &why));
        }
        if let Some(why) = value.as_str().and_then(names::label_value) {
            causes.push(Cause::invalid(field, value, &why));
        }
    }
}

fn annotations(meta: &Value, causes: &mut Vec<Cause>) {
    let mut size = 0;
    for (key, value) in meta.get("annotations").and_then(Value::as_object).into_iter().flatten() {
        if let Some(why) = names::qualified_name(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &key.as_str().into(), &why));
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_LIMIT {
        causes.push(Cause::too_long("metadata.annotations", ANNOTATIONS_LIMIT as u64));
    }
}

fn owners(meta: &Value, causes: &mut Vec<Cause>) {
    let mut controllers = 0;
    for (i, owner) in list(meta, "ownerReferences") {
        let field = format!("metadata.ownerReferences[{i}]");
        for part in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, part).is_empty() {
                causes.push(Cause::invalid(format!("{field}.{part}"), &"".into(), "must not be empty"));
            }
        }
        controllers += usize::from(owner.get("controller").and_then(Value::as_bool).unwrap_or(false));
    }
    if controllers > 1 {
        let shown = meta.get("ownerReferences").unwrap_or(&Value::Null);
        let why = "Only one reference can have Controller set to true";
        causes.push(Cause::invalid("metadata.ownerReferences", shown, why));
    }
}

fn changes(meta: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    let old = old.get("metadata").unwrap_or(&empty);
    for field in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"] {
        if meta.get(field) != old.get(field) {
            let shown = meta.get(field).unwrap_or(&Value::Null);
            causes.push(Cause::invalid(format!("metadata.{field}"), shown, "field is immutable"));
        }
    }
    if old.get("deletionTimestamp").is_some() {
        let kept: Vec<&Value> = list(old, "finalizers").map(|(_, f)| f).collect();
        let added: Vec<&str> =
            list(meta, "finalizers").filter(|(_, f)| !kept.contains(f)).filter_map(|(_, f)| f.as_str()).collect();
        if !added.is_empty() {
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers {added:?}"
            );
            causes.push(Cause::forbidden("metadata.finalizers", &why));
        }
    }
}
