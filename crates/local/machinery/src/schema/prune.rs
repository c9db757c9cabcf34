//! Fields that a schema doesn't know.

use serde_json::{Map, Value};

use super::node::{Additional, Node};
use super::typed;

/// Calls `found` with each object and the name of its unknown field; it may remove it.
pub(super) fn walk(node: &Node, value: &mut Value, found: &mut dyn FnMut(&mut Map<String, Value>, &str)) {
    match value {
        Value::Object(map) => {
            let embedded = node.embedded.then(|| typed::with_object_fields(node.clone()));
            let node = embedded.as_ref().unwrap_or(node);
            if !node.keeps_unknown() {
                let unknown: Vec<String> = map.keys().filter(|key| node.field(key).is_none()).cloned().collect();
                for key in unknown {
                    found(map, &key);
                }
            }
            for (key, inner) in map.iter_mut() {
                if let Some(field) = node.field(key) {
                    walk(field, inner, found);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = &node.items {
                list.iter_mut().for_each(|item| walk(items, item, found));
            }
        }
        _ => {}
    }
}

/// Paths of unknown fields.
pub(super) fn unknown(node: &Node, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(node, value, "", &mut found);
    found
}

fn collect(node: &Node, value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let embedded = node.embedded.then(|| typed::with_object_fields(node.clone()));
            let node = embedded.as_ref().unwrap_or(node);
            for (key, inner) in map {
                let path = child(path, key, matches!(node.additional, Additional::Of(_)));
                match node.field(key) {
                    Some(field) => collect(field, inner, &path, found),
                    None if node.keeps_unknown() => {}
                    None => found.push(path),
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = &node.items {
                for (i, item) in list.iter().enumerate() {
                    collect(items, item, &format!("{path}[{i}]"), found);
                }
            }
        }
        _ => {}
    }
}

/// `a.b`, or `a[b]` for the key of a map.
pub(super) fn child(path: &str, key: &str, map_key: bool) -> String {
    match (path.is_empty(), map_key) {
        (true, _) => key.to_owned(),
        (false, true) => format!("{path}[{key}]"),
        (false, false) => format!("{path}.{key}"),
    }
}
