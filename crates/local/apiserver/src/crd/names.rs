//! Which names a definition gets, and the conditions that say so.

use std::collections::HashSet;

use isthmus_local_machinery::meta;
use isthmus_local_store::{Key, Store};
use serde_json::{Value, json};

use super::STORAGE;
use crate::core::{Core, Write};

/// Fills in what may be left out, and writes the status: a definition is established in the write that makes it.
pub(crate) fn prepare(core: &Core, live: Option<&Value>, object: &mut Value) {
    fill(object);
    write_status(&core.store, live, object);
}

/// After a definition has gone: others may have waited for its names.
pub(crate) fn reconsider(core: &Core, group: &str) {
    for entry in core.store.list(STORAGE, None).entries {
        if entry.object.pointer("/spec/group").and_then(Value::as_str) != Some(group) {
            continue;
        }
        let mut object = Value::clone(&entry.object);
        write_status(&core.store, Some(&entry.object), &mut object);
        if object != *entry.object
            && let Err(error) = core.write_now(Write::Update(entry.key.clone(), entry.revision, object))
        {
            tracing::warn!(crd = %entry.key.name, %error, "its names could not be reconsidered");
        }
    }
}

fn fill(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    spec.entry("conversion").or_insert_with(|| json!({ "strategy": "None" }));
    let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) else { return };
    let Some(kind) = names.get("kind").and_then(Value::as_str).map(str::to_owned) else { return };
    names.entry("singular").or_insert_with(|| json!(kind.to_lowercase()));
    names.entry("listKind").or_insert_with(|| json!(format!("{kind}List")));
}

fn write_status(store: &Store, live: Option<&Value>, object: &mut Value) {
    let conflict = conflict(store, object);
    let spec = object.get("spec").cloned().unwrap_or_default();
    let versions = spec.get("versions").and_then(Value::as_array).cloned().unwrap_or_default();
    let storage = versions.iter().find(|v| v.get("storage").and_then(Value::as_bool) == Some(true));
    let storage = storage.and_then(|v| v.get("name")).and_then(Value::as_str).unwrap_or_default();
    let old = live.and_then(|live| live.get("status")).cloned().unwrap_or_default();
    let mut stored: Vec<Value> = old.get("storedVersions").and_then(Value::as_array).cloned().unwrap_or_default();
    if !stored.iter().any(|version| version == storage) {
        stored.push(json!(storage));
    }
    let was_established = holds(&old, "Established");
    let accepted = match &conflict {
        None => ("True", "NoConflicts", "no conflicts found".to_owned()),
        Some((reason, message)) => ("False", *reason, message.clone()),
    };
    let established = match (&conflict, was_established) {
        (None, _) => ("True", "InitialNamesAccepted", "the initial names have been accepted"),
        // What is established stays so, with the names that it has.
        (Some(_), true) => ("True", "InitialNamesAccepted", "the initial names have been accepted"),
        (Some(_), false) => ("False", "NotAccepted", "not all names are accepted"),
    };
    let mut conditions = vec![
        condition(&old, "NamesAccepted", accepted.0, accepted.1, &accepted.2),
        condition(&old, "Established", established.0, established.1, established.2),
    ];
    let kept = old.get("conditions").and_then(Value::as_array).into_iter().flatten();
    conditions.extend(kept.filter(|c| !matches!(kind_of(c), "NamesAccepted" | "Established")).cloned());
    let names = if conflict.is_none() { spec.get("names").cloned() } else { old.get("acceptedNames").cloned() };
    let names = names.unwrap_or_else(|| json!({ "plural": "", "kind": "" }));
    if let Some(map) = object.as_object_mut() {
        let status = json!({ "conditions": conditions, "acceptedNames": names, "storedVersions": stored });
        map.insert("status".to_owned(), status);
    }
}

fn kind_of(condition: &Value) -> &str {
    condition.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn holds(status: &Value, name: &str) -> bool {
    let conditions = status.get("conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|c| kind_of(c) == name && c.get("status").is_some_and(|s| s == "True"))
}

/// The condition, with the time of its last change.
fn condition(old: &Value, name: &str, status: &str, reason: &str, message: &str) -> Value {
    let before = old.get("conditions").and_then(Value::as_array).into_iter().flatten().find(|c| kind_of(c) == name);
    let since =
        before.filter(|c| c.get("status").is_some_and(|s| s == status)).and_then(|c| c.get("lastTransitionTime"));
    let since = since.cloned().unwrap_or_else(|| json!(meta::rfc3339(jiff::Timestamp::now())));
    json!({ "type": name, "status": status, "reason": reason, "message": message, "lastTransitionTime": since })
}

/// The first name that another definition of the group has accepted already.
fn conflict(store: &Store, object: &Value) -> Option<(&'static str, String)> {
    let group = object.pointer("/spec/group")?;
    let mut resources: HashSet<String> = HashSet::new();
    let mut kinds: HashSet<String> = HashSet::new();
    for entry in store.list(STORAGE, None).entries {
        if entry.key == Key::new(STORAGE, None, meta::name(object))
            || entry.object.pointer("/spec/group") != Some(group)
        {
            continue;
        }
        let Some(names) = entry.object.pointer("/status/acceptedNames") else { continue };
        resources.extend(resource_names(names));
        kinds.extend(kind_names(names));
    }
    let names = object.pointer("/spec/names")?;
    // As in Kubernetes the last conflict is the one that is told.
    let short = strings(names.get("shortNames"));
    let one = |field: &str| vec![text(names, field).to_owned()];
    let asked = [
        ("ListKindConflict", one("listKind"), &kinds),
        ("KindConflict", one("kind"), &kinds),
        ("ShortNamesConflict", short, &resources),
        ("SingularConflict", one("singular"), &resources),
        ("PluralConflict", one("plural"), &resources),
    ];
    asked.into_iter().find_map(|(reason, names, taken)| {
        let name = names.into_iter().find(|name| taken.contains(name))?;
        Some((reason, format!("{name:?} is already in use")))
    })
}

fn text<'a>(names: &'a Value, field: &str) -> &'a str {
    names.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn resource_names(names: &Value) -> Vec<String> {
    let mut all = strings(names.get("shortNames"));
    all.extend(["plural", "singular"].map(|field| text(names, field).to_owned()).into_iter().filter(|n| !n.is_empty()));
    all
}

fn kind_names(names: &Value) -> Vec<String> {
    let all = [text(names, "kind"), text(names, "listKind")];
    all.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn strings(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
