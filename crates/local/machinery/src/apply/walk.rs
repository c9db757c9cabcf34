//! From objects to sets: the fields of one object, and the difference of two.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use serde_json::{Map, Value};

use super::{fields::Set, path::Step};
use crate::{
    schema::{Node, Type},
    types::List,
};

/// How two objects differ.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) added: Set,
    pub(super) modified: Set,
    pub(super) removed: Set,
}

/// How a value is owned.
pub(super) enum Form<'a> {
    /// As a whole.
    Leaf,
    /// Field by field.
    Map(&'a Map<String, Value>),
    /// Item by item.
    List(&'a [Value]),
}

static ANY: LazyLock<Arc<Node>> = LazyLock::new(|| Arc::new(Node { preserve: true, ..Node::default() }));

pub(super) fn form<'a>(node: &Node, value: &'a Value) -> Form<'a> {
    match value {
        Value::Object(map) if !node.atomic && !matches!(node.ty, Some(ty) if ty != Type::Object) => Form::Map(map),
        Value::Array(list) if node.list != List::Atomic => Form::List(list),
        _ => Form::Leaf,
    }
}

pub(super) fn field<'a>(node: &'a Node, name: &str) -> &'a Node {
    node.field(name).unwrap_or(&ANY)
}

pub(super) fn items(node: &Node) -> &Node {
    node.items.as_deref().unwrap_or(&ANY)
}

/// The step to an item. An item without its keys (and without defaults for them) is found by its place.
pub(super) fn step(node: &Node, item: &Value, at: usize) -> Step {
    match &node.list {
        List::Map(keys) => {
            let found: Option<Vec<(String, Value)>> =
                keys.iter().map(|key| Some((key.clone(), key_of(node, item, key)?))).collect();
            match found {
                Some(mut keys) => {
                    keys.sort_by(|a, b| a.0.cmp(&b.0));
                    Step::Key(keys)
                }
                None => Step::Index(at),
            }
        }
        List::Set => Step::Value(item.clone()),
        List::Atomic => Step::Index(at),
    }
}

fn key_of(node: &Node, item: &Value, key: &str) -> Option<Value> {
    item.get(key).filter(|v| !v.is_null()).cloned().or_else(|| items(node).properties.get(key)?.default.clone())
}

/// May an item of a list be named twice? A stored object's may, where it was written so; an applied configuration's may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    Allowed,
    Refused,
}

/// The fields that an object names.
pub(super) fn set_of(node: &Node, value: &Value, repeats: Repeats) -> Result<Set, String> {
    let mut set = Set::default();
    fill(node, value, repeats, &mut Vec::new(), &mut set)?;
    Ok(set)
}

fn fill(node: &Node, value: &Value, repeats: Repeats, path: &mut Vec<Step>, set: &mut Set) -> Result<(), String> {
    match form(node, value) {
        Form::Leaf => set.insert(path),
        Form::Map(map) => {
            for (key, inner) in map {
                path.push(Step::field(key));
                fill(field(node, key), inner, repeats, path, set)?;
                let empty = inner.is_null() || inner.as_object().is_some_and(Map::is_empty);
                if empty || !node.properties.contains_key(key) {
                    set.insert(path);
                }
                path.pop();
            }
        }
        Form::List(list) => {
            let mut seen = BTreeSet::new();
            for (at, item) in list.iter().enumerate() {
                let step = step(node, item, at);
                if repeats == Repeats::Refused && !seen.insert(step.clone()) {
                    let place: String = path.iter().map(ToString::to_string).collect();
                    return Err(format!("{place}: duplicate entries for key {step}"));
                }
                if let (Step::Index(_), List::Map(keys)) = (&step, &node.list) {
                    let place: String = path.iter().map(ToString::to_string).collect();
                    let keys = keys.join(", ");
                    return Err(format!(
                        "{place}: element {at}: associative list with keys has an element that omits key field {keys:?} (and doesn't have default value)"
                    ));
                }
                path.push(step);
                fill(items(node), item, repeats, path, set)?;
                set.insert(path);
                path.pop();
            }
        }
    }
    Ok(())
}

/// What makes `new` of `old`.
pub(super) fn compare(node: &Node, old: Option<&Value>, new: &Value) -> Changes {
    let mut changes = Changes::default();
    let empty = Value::Object(Map::new());
    differ(node, Some(old.unwrap_or(&empty)), Some(new), &mut Vec::new(), &mut changes);
    for set in [&mut changes.added, &mut changes.modified, &mut changes.removed] {
        *set = std::mem::take(set).without_identity();
    }
    changes
}

fn by_step<'a>(node: &Node, list: Option<&'a Value>) -> BTreeMap<Step, &'a Value> {
    let items = list.and_then(Value::as_array).into_iter().flatten().enumerate();
    items.map(|(at, item)| (step(node, item, at), item)).collect()
}

fn differ(node: &Node, old: Option<&Value>, new: Option<&Value>, path: &mut Vec<Step>, changes: &mut Changes) {
    static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
    if old == new {
        return;
    }
    // A struct that is always there is no field of anybody's.
    let (old, new) = if node.always { (old.or(Some(&EMPTY)), new.or(Some(&EMPTY))) } else { (old, new) };
    let is_map =
        |side: Option<&Value>| side.is_some_and(|v| matches!(form(node, v), Form::Map(map) if !map.is_empty()));
    let is_list =
        |side: Option<&Value>| side.is_some_and(|v| matches!(form(node, v), Form::List(list) if !list.is_empty()));
    if is_map(old) || is_map(new) {
        let (before, after) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
        let keys: BTreeSet<&String> = before.into_iter().chain(after).flat_map(Map::keys).collect();
        for key in keys {
            path.push(Step::field(key));
            differ(
                field(node, key),
                before.and_then(|map| map.get(key)),
                after.and_then(|map| map.get(key)),
                path,
                changes,
            );
            path.pop();
        }
    } else if is_list(old) || is_list(new) {
        let (before, after) = (by_step(node, old), by_step(node, new));
        let steps: BTreeSet<&Step> = before.keys().chain(after.keys()).collect();
        for step in steps {
            path.push(step.clone());
            differ(items(node), before.get(step).copied(), after.get(step).copied(), path, changes);
            path.pop();
        }
    } else {
        match (old, new) {
            (None, Some(_)) => changes.added.insert(path),
            (Some(_), None) => changes.removed.insert(path),
            _ => changes.modified.insert(path),
        }
        return;
    }
    match (old, new) {
        (None, Some(_)) => changes.added.insert(path),
        (Some(_), None) => changes.removed.insert(path),
        _ => {}
    }
}
