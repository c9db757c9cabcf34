//! Strategic merge of objects.

use serde_json::{Map, Value};

use super::lists;
use crate::{schema::Node, status::ApiError};

pub(super) const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

/// Merges `patch` into `map`.
pub(super) fn merge_map(node: &Node, map: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), ApiError> {
    match patch.get(DIRECTIVE).map(|d| d.as_str().unwrap_or_default()) {
        None | Some("merge") => {}
        Some("replace") => {
            *map = patch.iter().filter(|(key, _)| *key != DIRECTIVE).map(|(k, v)| (k.clone(), v.clone())).collect();
            return Ok(());
        }
        Some("delete") => {
            map.clear();
            return Ok(());
        }
        Some(other) => return Err(ApiError::bad_request(format!("unknown patch type {other:?} found in map"))),
    }
    if let Some(retained) = patch.get(RETAIN) {
        let Some(retained) = retained.as_array() else {
            return Err(ApiError::bad_request("$retainKeys must be a list of field names"));
        };
        map.retain(|key, _| retained.iter().any(|kept| kept.as_str() == Some(key)));
    }
    for (key, change) in patch {
        if let Some(name) = key.strip_prefix(DELETE) {
            lists::delete_values(map, name, change)?;
        }
    }
    for (key, change) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        let order = patch.get(&format!("{ORDER}{key}")).and_then(Value::as_array);
        merge_field(node, map, key, change, order)?;
    }
    // An order may come without items, when it is all that changes.
    for (key, order) in patch {
        if let (Some(name), Some(order)) = (key.strip_prefix(ORDER), order.as_array())
            && !patch.contains_key(name)
            && let (Some(field), Some(Value::Array(list))) = (node.field(name), map.get_mut(name))
        {
            lists::sort(field, list, &list.clone(), order);
        }
    }
    Ok(())
}

fn merge_field(
    node: &Node,
    map: &mut Map<String, Value>,
    key: &str,
    change: &Value,
    order: Option<&Vec<Value>>,
) -> Result<(), ApiError> {
    let any = Node::default();
    let field = node.field(key).map_or(&any, |field| field);
    if change.is_null() {
        map.remove(key);
        return Ok(());
    }
    match (map.get_mut(key), change) {
        (Some(Value::Object(inner)), Value::Object(change)) => merge_map(field, inner, change),
        (Some(Value::Array(list)), Value::Array(changes)) if field.merge => lists::merge(field, list, changes, order),
        (_, Value::Object(change)) => {
            let mut inner = Map::new();
            merge_map(field, &mut inner, change)?;
            map.insert(key.to_owned(), Value::Object(inner));
            Ok(())
        }
        (_, Value::Array(changes)) if field.merge => {
            let mut list = Vec::new();
            lists::merge(field, &mut list, changes, order)?;
            map.insert(key.to_owned(), Value::Array(list));
            Ok(())
        }
        _ => {
            map.insert(key.to_owned(), change.clone());
            Ok(())
        }
    }
}
