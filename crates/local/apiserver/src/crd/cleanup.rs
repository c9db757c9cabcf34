//! A definition that is deleted takes its objects along.

use isthmus_local_machinery::meta;
use isthmus_local_store::{Entry, Key};
use serde_json::{Value, json};

use super::STORAGE;
use crate::core::{Core, Write};

/// Holds a definition until its objects are gone.
pub(crate) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Deletes the objects of a definition that is being deleted, and it too if none waits for its own finalizers.
/// `Err` is the last state of a definition that is gone, `Ok` one that still waits.
pub(crate) fn clean_up(core: &Core, crd: &Key) -> Result<Entry, Entry> {
    let Some(entry) = core.store.get(crd) else { return Err(missing(crd)) };
    let Some(storage) = storage_of(&entry.object) else { return Ok(entry) };
    for object in core.store.list(&storage, None).entries {
        let held = object.object.pointer("/metadata/finalizers").and_then(Value::as_array);
        let write = if held.is_some_and(|list| !list.is_empty()) {
            let mut marked = Value::clone(&object.object);
            let Some(metadata) = meta::metadata_mut(&mut marked) else { continue };
            metadata.entry("deletionTimestamp").or_insert_with(|| json!(meta::rfc3339(jiff::Timestamp::now())));
            Write::Update(object.key.clone(), object.revision, marked)
        } else {
            Write::Delete(object.key.clone(), None)
        };
        if let Err(error) = core.write_now(write) {
            tracing::debug!(object = %object.key, %error, "it changed while its definition was deleted");
        }
    }
    // The last deletion above may have finished the definition already.
    match core.store.get(crd) {
        None => Err(entry),
        Some(now) => finish(core, &storage, now),
    }
}

/// After an object of a custom kind has gone: perhaps its definition waited for that.
pub(crate) fn after_custom_object(core: &Core, storage: &str) {
    let Some((group, plural)) = storage.split_once('/') else { return };
    let key = Key::new(STORAGE, None, &format!("{plural}.{group}"));
    if let Some(entry) = core.store.get(&key)
        && entry.object.pointer("/metadata/deletionTimestamp").is_some()
    {
        let _ = finish(core, storage, entry);
    }
}

/// Takes our finalizer off once no object is left.
fn finish(core: &Core, storage: &str, entry: Entry) -> Result<Entry, Entry> {
    if !core.store.list(storage, None).entries.is_empty() {
        return Ok(entry);
    }
    let mut object = Value::clone(&entry.object);
    let finalizers = object.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut);
    let others = finalizers.is_some_and(|list| {
        list.retain(|finalizer| finalizer != FINALIZER);
        !list.is_empty()
    });
    if others {
        return Ok(core.write_now(Write::Update(entry.key.clone(), entry.revision, object)).unwrap_or(entry));
    }
    match core.write_now(Write::Delete(entry.key.clone(), Some(entry.revision))) {
        Ok(gone) => Err(gone),
        Err(_) => Ok(entry),
    }
}

fn storage_of(crd: &Value) -> Option<String> {
    let text = |path: &str| crd.pointer(path).and_then(Value::as_str);
    Some(format!("{}/{}", text("/spec/group")?, text("/spec/names/plural")?))
}

fn missing(crd: &Key) -> Entry {
    let object = json!({ "metadata": { "name": &*crd.name } });
    Entry { key: crd.clone(), object: object.into(), revision: 0 }
}
