//! Defaults of custom kinds.

use serde_json::Value;

use super::node::{Additional, Node};

pub(super) fn fill(node: &Node, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, field) in &node.properties {
                let Some(default) = &field.default else { continue };
                let absent = match map.get(key) {
                    None => true,
                    Some(Value::Null) => !field.nullable,
                    Some(_) => false,
                };
                if absent {
                    map.insert(key.clone(), default.clone());
                }
            }
            for (key, inner) in map.iter_mut() {
                match (node.properties.get(key), &node.additional) {
                    (Some(field), _) => fill(field, inner),
                    (None, Additional::Of(field)) => {
                        if inner.is_null()
                            && !field.nullable
                            && let Some(default) = &field.default
                        {
                            *inner = default.clone();
                        }
                        fill(field, inner);
                    }
                    _ => {}
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = &node.items {
                for item in list {
                    if item.is_null()
                        && !items.nullable
                        && let Some(default) = &items.default
                    {
                        *item = default.clone();
                    }
                    fill(items, item);
                }
            }
        }
        _ => {}
    }
}
