//! Strategic merge of lists: of objects by their merge key, of values as sets.

use serde_json::{Map, Value};

use super::strategic::{DIRECTIVE, merge_map};
use crate::{schema::Node, status::ApiError};

/// Removes the values of `$deleteFromPrimitiveList/<name>`.
pub(super) fn delete_values(map: &mut Map<String, Value>, name: &str, values: &Value) -> Result<(), ApiError> {
    let Some(values) = values.as_array() else {
        return Err(ApiError::bad_request(format!("$deleteFromPrimitiveList/{name} must be a list")));
    };
    if let Some(Value::Array(list)) = map.get_mut(name) {
        list.retain(|value| !values.contains(value));
    }
    Ok(())
}

/// Merges a list whose field is merged rather than replaced.
pub(super) fn merge(
    field: &Node,
    list: &mut Vec<Value>,
    changes: &[Value],
    order: Option<&Vec<Value>>,
) -> Result<(), ApiError> {
    let server = list.clone();
    match &field.merge_key {
        Some(key) => merge_objects(field, key, list, changes)?,
        None => {
            for value in changes {
                if !list.contains(value) {
                    list.push(value.clone());
                }
            }
        }
    }
    if let Some(order) = order {
        sort(field, list, &server, order);
    }
    Ok(())
}

fn merge_objects(field: &Node, key: &str, list: &mut Vec<Value>, changes: &[Value]) -> Result<(), ApiError> {
    let any = Node::default();
    let items = field.items.as_deref().unwrap_or(&any);
    let directive = |change: &Value| change.get(DIRECTIVE).and_then(Value::as_str).map(str::to_owned);
    if changes.iter().any(|change| directive(change).as_deref() == Some("replace")) {
        list.clear();
    }
    for change in changes {
        let Some(map) = change.as_object() else {
            return Err(ApiError::bad_request("a list of objects is patched with something that is no object"));
        };
        let kind = directive(change);
        if kind.as_deref() == Some("replace") && map.len() == 1 {
            continue;
        }
        let Some(wanted) = map.get(key) else {
            return Err(ApiError::bad_request(format!("map: {change} does not contain declared merge key: {key}")));
        };
        let at = list.iter().position(|item| item.get(key) == Some(wanted));
        match (kind.as_deref(), at) {
            (Some("delete"), _) => list.retain(|item| item.get(key) != Some(wanted)),
            (_, Some(at)) => {
                if let Some(Value::Object(item)) = list.get_mut(at) {
                    merge_map(items, item, map)?;
                }
            }
            (_, None) => {
                let mut item = Map::new();
                merge_map(items, &mut item, map)?;
                list.push(Value::Object(item));
            }
        }
    }
    Ok(())
}

/// Sorts the items named by `order` as it says; items that only the server has keep their place relative to those before.
pub(super) fn sort(field: &Node, list: &mut Vec<Value>, server: &[Value], order: &[Value]) {
    let key = field.merge_key.as_deref();
    let same = |a: &Value, b: &Value| match key {
        Some(key) => a.get(key).is_some() && a.get(key) == b.get(key),
        None => a == b,
    };
    let place = |item: &Value| order.iter().position(|o| same(o, item));
    let before = |item: &Value| server.iter().position(|s| same(s, item));
    let (mut named, own): (Vec<Value>, Vec<Value>) = std::mem::take(list).into_iter().partition(|i| place(i).is_some());
    named.sort_by_key(|item| place(item));
    let (mut named, mut own) = (named.into_iter().peekable(), own.into_iter().peekable());
    loop {
        let next = match (named.peek(), own.peek()) {
            (Some(a), Some(b)) if before(a) > before(b) => own.next(),
            (Some(_), _) => named.next(),
            (None, _) => own.next(),
        };
        match next {
            Some(item) => list.push(item),
            None => return,
        }
    }
}
