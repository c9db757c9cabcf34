//! Checking values against a schema, with kube-apiserver's texts.

use std::collections::HashSet;

use serde_json::{Number, Value};

use super::decode;
use super::formats;
use super::node::{Additional, Node, Type};
use super::prune::child;
use super::typed;
use crate::{status::Cause, types::List};

/// More faults than this aren't told.
const CAUSE_LIMIT: usize = 50;

/// A whole object; what was at fault before and is unchanged passes.
pub(super) fn object(node: &Node, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    check(node, new, old, "", &mut causes);
    causes.truncate(CAUSE_LIMIT);
    causes
}

/// One value, such as a default.
pub(super) fn value(node: &Node, new: &Value) -> Vec<Cause> {
    object(node, new, None)
}

fn check(node: &Node, new: &Value, old: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    if old == Some(new) || causes.len() >= CAUSE_LIMIT {
        return;
    }
    if new.is_null() && node.nullable {
        return;
    }
    if !typed_as(node, new, path, causes) {
        return;
    }
    match new {
        Value::Object(map) => {
            let embedded = node.embedded.then(|| typed::with_object_fields(node.clone()));
            let node = embedded.as_ref().unwrap_or(node);
            let is_map = matches!(node.additional, Additional::Of(_));
            for (key, inner) in map {
                // ObjectMeta has checks of its own.
                if path.is_empty() && key == "metadata" && inner.is_object() {
                    restricted(node, inner, causes);
                    continue;
                }
                if let Some(field) = node.field(key) {
                    let old = old.and_then(|old| old.get(key));
                    check(field, inner, old, &child(path, key, is_map), causes);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = &node.items {
                for (i, item) in list.iter().enumerate() {
                    let old = counterpart(&node.list, old, item, i);
                    check(items, item, old, &format!("{path}[{i}]"), causes);
                }
            }
            duplicates(&node.list, list, path, causes);
        }
        _ => {}
    }
    values(node, new, path, causes);
}

/// `metadata` must be decodable, and `metadata.name` be as the CRD restricts it.
fn restricted(node: &Node, metadata: &Value, causes: &mut Vec<Cause>) {
    let Some(fields) = node.properties.get("metadata") else { return };
    if let Err(why) = decode::part(fields, metadata, "metadata") {
        causes.push(Cause::type_invalid("metadata", &Value::from("object"), &why));
        return;
    }
    for key in ["name", "generateName"] {
        if let (Some(field), Some(inner)) = (fields.properties.get(key), metadata.get(key)) {
            check(field, inner, None, &format!("metadata.{key}"), causes);
        }
    }
}

fn counterpart<'a>(list: &List, old: Option<&'a Value>, item: &Value, i: usize) -> Option<&'a Value> {
    let old = old?.as_array()?;
    match list {
        List::Map(keys) => old.iter().find(|o| keys.iter().all(|key| o.get(key) == item.get(key))),
        _ => old.get(i),
    }
}

fn duplicates(kind: &List, list: &[Value], path: &str, causes: &mut Vec<Cause>) {
    let mut seen = HashSet::new();
    for (i, item) in list.iter().enumerate() {
        let key = match kind {
            List::Atomic => return,
            List::Set => item.clone(),
            List::Map(keys) => keys
                .iter()
                .filter_map(|key| Some((key.clone(), item.get(key)?.clone())))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        };
        if !seen.insert(key.to_string()) {
            causes.push(Cause::duplicate(format!("{path}[{i}]"), &key));
        }
    }
}

fn typed_as(node: &Node, new: &Value, path: &str, causes: &mut Vec<Cause>) -> bool {
    let wanted = if node.int_or_string {
        if Type::Integer.takes(new) || new.is_string() {
            return true;
        }
        "integer,string"
    } else {
        match node.ty {
            None => return true,
            Some(ty) if ty.takes(new) => return true,
            Some(ty) => ty.name(),
        }
    };
    let name = type_name(new);
    let detail = format!("{} must be of type {wanted}: {name:?}", body(path));
    causes.push(Cause::type_invalid(path, &Value::from(name), &detail));
    false
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn body(path: &str) -> String {
    if path.is_empty() { "body".to_owned() } else { format!("{path} in body") }
}

/// Everything that isn't structure.
fn values(node: &Node, new: &Value, path: &str, causes: &mut Vec<Cause>) {
    let checks = &node.checks;
    if !checks.enumeration.is_empty() && !checks.enumeration.contains(new) {
        let known: Vec<&str> = checks.enumeration.iter().filter_map(Value::as_str).collect();
        causes.push(Cause::not_supported(path, new, &known));
    }
    match new {
        Value::Number(number) => numbers(node, number, new, path, causes),
        Value::String(text) => strings(node, text, new, path, causes),
        Value::Array(list) => {
            let count = list.len() as u64;
            let shown = Value::from(count);
            if checks.items.0.is_some_and(|min| count < min) {
                let min = checks.items.0.unwrap_or_default();
                causes.push(Cause::invalid(path, &shown, &format!("{} should have at least {min} items", body(path))));
            }
            if let Some(max) = checks.items.1.filter(|max| count > *max) {
                causes.push(Cause::too_many(path, count, max));
            }
        }
        Value::Object(map) => {
            for key in &checks.required {
                if !map.contains_key(key) {
                    causes.push(Cause::required(child(path, key, false), ""));
                }
            }
            let count = map.len() as u64;
            if let Some(min) = checks.properties.0.filter(|min| count < *min) {
                let detail = format!("{} should have at least {min} properties", body(path));
                causes.push(Cause::invalid(path, &Value::from(count), &detail));
            }
            if let Some(max) = checks.properties.1.filter(|max| count > *max) {
                causes.push(Cause::too_many(path, count, max));
            }
        }
        _ => {}
    }
    logic(node, new, path, causes);
}

fn numbers(node: &Node, number: &Number, new: &Value, path: &str, causes: &mut Vec<Cause>) {
    let checks = &node.checks;
    let mut fault = |detail: String| causes.push(Cause::invalid(path, new, &format!("{} {detail}", body(path))));
    if let Some((min, exclusive)) = &checks.minimum {
        let order = compare(number, min);
        if order.is_lt() || (*exclusive && order.is_eq()) {
            fault(if *exclusive {
                format!("should be greater than {min}")
            } else {
                format!("should be greater than or equal to {min}")
            });
        }
    }
    if let Some((max, exclusive)) = &checks.maximum {
        let order = compare(number, max);
        if order.is_gt() || (*exclusive && order.is_eq()) {
            fault(if *exclusive {
                format!("should be less than {max}")
            } else {
                format!("should be less than or equal to {max}")
            });
        }
    }
    if let (Some(factor), Some(n)) = (checks.multiple_of, number.as_f64())
        && (n / factor).fract().abs() > f64::EPSILON
    {
        fault(format!("should be a multiple of {factor}"));
    }
    if checks.format.as_deref() == Some("int32") && number.as_i64().is_some_and(|n| i32::try_from(n).is_err()) {
        fault("must be of type int32".to_owned());
    }
}

fn compare(a: &Number, b: &Number) -> std::cmp::Ordering {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default()),
    }
}

fn strings(node: &Node, text: &str, new: &Value, path: &str, causes: &mut Vec<Cause>) {
    let checks = &node.checks;
    let count = text.chars().count() as u64;
    if let Some(min) = checks.length.0.filter(|min| count < *min) {
        causes.push(Cause::invalid(path, new, &format!("{} should be at least {min} chars long", body(path))));
    }
    if let Some(max) = checks.length.1.filter(|max| count > *max) {
        causes.push(Cause::too_long(path, max));
    }
    if let Some(pattern) = checks.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        causes.push(Cause::invalid(path, new, &format!("{} should match '{pattern}'", body(path))));
    }
    if let Some(format) = checks.format.as_deref().filter(|format| !formats::holds(format, text)) {
        causes.push(Cause::invalid(path, new, &format!("{} must be of type {format}: {text:?}", body(path))));
    }
}

fn logic(node: &Node, new: &Value, path: &str, causes: &mut Vec<Cause>) {
    let checks = &node.checks;
    let passes = |inner: &Node| {
        let mut faults = Vec::new();
        check(inner, new, None, path, &mut faults);
        faults
    };
    let name = if path.is_empty() { "<nil>" } else { path };
    let mut fault = |detail: String| causes.push(Cause::invalid(name, &Value::from(""), &detail));
    if checks.all_of.iter().any(|inner| !passes(inner).is_empty()) {
        fault(format!("{path:?} must validate all the schemas (allOf)"));
    }
    if !checks.any_of.is_empty() && !checks.any_of.iter().any(|inner| passes(inner).is_empty()) {
        fault(format!("{path:?} must validate at least one schema (anyOf)"));
    }
    if !checks.one_of.is_empty() {
        let count = checks.one_of.iter().filter(|inner| passes(inner).is_empty()).count();
        if count == 0 {
            fault(format!("{path:?} must validate one and only one schema (oneOf). Found none valid"));
        } else if count > 1 {
            fault(format!("{path:?} must validate one and only one schema (oneOf). Found {count} valid alternatives"));
        }
    }
    if checks.not.as_ref().is_some_and(|inner| passes(inner).is_empty()) {
        fault(format!("{path:?} must not validate the schema (not)"));
    }
    // Faults inside allOf are of use to the reader too.
    for inner in &checks.all_of {
        let faults = passes(inner);
        causes.extend(faults);
    }
}
