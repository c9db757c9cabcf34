//! Merging a configuration into the live object, and taking fields away.

use serde_json::{Map, Value};

use super::{
    fields::Set,
    path::Step,
    walk::{Form, field, form, items, step},
};
use crate::schema::Node;

/// `config` over `live`: maps and keyed lists item by item, everything else as `config` has it.
pub(super) fn merge(node: &Node, live: &Value, config: &Value) -> Value {
    match (form(node, live), form(node, config)) {
        (Form::Map(old), Form::Map(new)) => {
            let mut merged = old.clone();
            for (key, value) in new {
                let value = match old.get(key) {
                    Some(old) => merge(field(node, key), old, value),
                    None => value.clone(),
                };
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (Form::List(old), Form::List(new)) => Value::Array(merge_lists(node, old, new)),
        _ => config.clone(),
    }
}

/// The shared items in `new`'s order; items of one side keep their place after the item that they followed.
fn merge_lists(node: &Node, old: &[Value], new: &[Value]) -> Vec<Value> {
    let steps =
        |list: &[Value]| -> Vec<Step> { list.iter().enumerate().map(|(at, item)| step(node, item, at)).collect() };
    let (old_steps, new_steps) = (steps(old), steps(new));
    let mut merged = Vec::with_capacity(old.len() + new.len());
    let mut incoming = new_steps.iter().zip(new);
    let mut take = |until: Option<&Step>, merged: &mut Vec<Value>| {
        for (step, item) in incoming.by_ref() {
            let before = old_steps.iter().zip(old).find(|(s, _)| *s == step).map(|(_, item)| item);
            merged.push(before.map_or_else(|| item.clone(), |before| merge(items(node), before, item)));
            if Some(step) == until {
                return;
            }
        }
    };
    let mut done = 0;
    for (old_step, item) in old_steps.iter().zip(old) {
        match new_steps.iter().position(|s| s == old_step) {
            None => merged.push(item.clone()),
            Some(at) if at >= done => {
                take(Some(old_step), &mut merged);
                done = at + 1;
            }
            Some(_) => {}
        }
    }
    take(None, &mut merged);
    merged
}

/// Takes the paths of `gone` out of `value`. A map or list that is left empty by this goes too, unless it is in `owned`.
pub(super) fn remove(node: &Node, value: &mut Value, gone: &Set, owned: &Set) {
    match value {
        Value::Object(map) => remove_fields(node, map, gone, owned),
        Value::Array(list) => remove_items(node, list, gone, owned),
        _ => {}
    }
}

fn remove_fields(node: &Node, map: &mut Map<String, Value>, gone: &Set, owned: &Set) {
    let none = Set::default();
    for (step, entry) in &gone.below {
        let Step::Field(name) = step else { continue };
        if entry.member {
            map.remove(name);
            continue;
        }
        let Some(inner) = map.get_mut(name) else { continue };
        let theirs = owned.below.get(step);
        remove(field(node, name), inner, &entry.set, theirs.map_or(&none, |t| &t.set));
        if is_empty(inner) && !theirs.is_some_and(|t| t.member) {
            map.remove(name);
        }
    }
}

fn remove_items(node: &Node, list: &mut Vec<Value>, gone: &Set, owned: &Set) {
    let none = Set::default();
    let mut at = 0;
    list.retain_mut(|item| {
        let step = step(node, item, at);
        at += 1;
        let Some(entry) = gone.below.get(&step) else { return true };
        if !entry.member {
            let theirs = owned.below.get(&step).map_or(&none, |t| &t.set);
            remove(items(node), item, &entry.set, theirs);
        }
        !entry.member
    });
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}
