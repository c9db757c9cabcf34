//! Deleting: grace periods, finalizers, propagation.

mod options;

use std::sync::Arc;
use std::time::Duration;

use isthmus_local_callout::admission::Operation;
use isthmus_local_machinery::meta;
use isthmus_local_machinery::status::{ApiError, Details};
use isthmus_local_store::{Entry, StoreError};
use serde_json::{Value, json};

pub(crate) use options::DeleteOptions;

use super::finish::request;
use super::options::Selection;
use crate::call::Call;
use crate::core::{Core, Write, key, store_error};
use crate::http::reply::{self, Reply};
use crate::{admission, convert, present};

const TRIES: usize = 32;

/// What a deletion came to.
pub(crate) enum Deleted {
    /// The object is gone; this was its last state, as stored.
    Gone(Entry),
    /// It waits for its finalizers or its grace period.
    Waiting(Entry),
}

pub(super) async fn delete(core: &Arc<Core>, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    let options = DeleteOptions::read(call, bytes)?;
    let deleted = delete_object(core, call, call.namespace.as_deref(), &call.name, &options).await?;
    let entry = match deleted {
        Deleted::Gone(entry) if !returns_object(call) => return Ok(reply::json(200, &success(call, &entry))),
        Deleted::Gone(entry) | Deleted::Waiting(entry) => entry,
    };
    let object = convert::one_from_storage(core, &call.kind, entry.object).await?;
    present::one(call, 200, &object)
}

pub(super) async fn collection(core: &Arc<Core>, call: &Call, bytes: &[u8]) -> Result<Reply, ApiError> {
    let options = DeleteOptions::read(call, bytes)?;
    let selection = Selection::of(call)?;
    let listing = core.store.list(&call.kind.storage, call.namespace.as_deref());
    let objects = listing.entries.iter().map(|entry| entry.object.clone()).collect();
    let objects = convert::from_storage(core, &call.kind, objects).await?;
    let mut deleted = Vec::new();
    for (entry, object) in listing.entries.into_iter().zip(objects) {
        if !selection.matches(&object) {
            continue;
        }
        match delete_object(core, call, entry.key.namespace.as_deref(), &entry.key.name, &options).await {
            Ok(_) => deleted.push(object),
            // Somebody else was faster.
            Err(error) if error.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    present::list(call, &deleted, &json!({ "resourceVersion": core.store.revision().to_string() }))
}

/// Deletes one object of the call's kind.
pub(crate) async fn delete_object(
    core: &Arc<Core>,
    call: &Call,
    namespace: Option<&str>,
    name: &str,
    options: &DeleteOptions,
) -> Result<Deleted, ApiError> {
    let kind = &call.kind;
    let key = key(kind, namespace, name);
    let dry_run = options.dry_run || call.dry_run()?;
    let refused = |error| store_error(kind, name, error);
    for _ in 0..TRIES {
        let not_found = || ApiError::not_found(&kind.group_resource(), name);
        let entry = core.store.get(&key).ok_or_else(not_found)?;
        options.check(&kind.group_resource(), name, &entry.object)?;
        admission::deletable(call, name)?;
        ask_webhooks(core, call, &entry, dry_run).await?;
        let next = marked(call, &entry.object, options);
        let write = match &next {
            Some(object) if !is_finished(object) => {
                if dry_run || *object == *entry.object {
                    return Ok(Deleted::Waiting(entry));
                }
                Write::Update(key.clone(), entry.revision, object.clone())
            }
            _ if dry_run => return Ok(Deleted::Gone(entry)),
            _ => Write::Delete(key.clone(), Some(entry.revision)),
        };
        let waits = matches!(write, Write::Update(..));
        match core.write(write).await {
            Ok(_) if kind.is("apiextensions.k8s.io", "customresourcedefinitions") && waits => {
                return Ok(crate::crd::clean_up(core, &key).map_or_else(Deleted::Gone, Deleted::Waiting));
            }
            Ok(entry) if waits => return Ok(Deleted::Waiting(entry)),
            Ok(entry) => return Ok(Deleted::Gone(entry)),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(refused(error)),
        }
    }
    Err(ApiError::conflict(&kind.group_resource(), name))
}

/// Whether nothing holds an object back that is being deleted.
pub(crate) fn is_finished(object: &Value) -> bool {
    let list = |path: &str| object.pointer(path).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let is_namespace = object.get("kind").and_then(Value::as_str) == Some("Namespace")
        && object.get("apiVersion").and_then(Value::as_str) == Some("v1");
    object.pointer("/metadata/deletionTimestamp").is_some()
        && !list("/metadata/finalizers")
        && !(is_namespace && list("/spec/finalizers"))
        && object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_u64).unwrap_or(0) == 0
}

/// The object as a deletion leaves it if something holds it back.
fn marked(call: &Call, object: &Value, options: &DeleteOptions) -> Option<Value> {
    let grace = if call.kind.is("", "pods") { pod_grace(object, options) } else { 0 };
    let mut next = object.clone();
    let first = object.pointer("/metadata/deletionTimestamp").is_none();
    let metadata = meta::metadata_mut(&mut next)?;
    let mut finalizers: Vec<Value> = metadata.get("finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
    options.set_finalizers(&mut finalizers);
    if first && call.kind.is("apiextensions.k8s.io", "customresourcedefinitions") {
        let ours = json!(crate::crd::FINALIZER);
        if !finalizers.contains(&ours) {
            finalizers.push(ours);
        }
    }
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), Value::Array(finalizers));
    }
    let before = metadata.get("deletionGracePeriodSeconds").and_then(Value::as_u64);
    if first || before.is_some_and(|before| grace < before) {
        let at = call.now.checked_add(Duration::from_secs(grace)).unwrap_or(call.now);
        metadata.insert("deletionTimestamp".to_owned(), json!(meta::rfc3339(at)));
        metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
        if let (true, Some(generation)) = (first, metadata.get("generation").and_then(Value::as_i64)) {
            metadata.insert("generation".to_owned(), json!(generation.saturating_add(1)));
        }
    }
    if call.kind.is("", "namespaces") {
        next.as_object_mut()?
            .entry("status")
            .or_insert_with(|| json!({}))
            .as_object_mut()?
            .insert("phase".to_owned(), json!("Terminating"));
    }
    Some(next)
}

/// Seconds that the node has to stop a Pod: none for a Pod that isn't on a node, or has ended.
fn pod_grace(pod: &Value, options: &DeleteOptions) -> u64 {
    let text = |path: &str| pod.pointer(path).and_then(Value::as_str).unwrap_or_default();
    if text("/spec/nodeName").is_empty() || matches!(text("/status/phase"), "Succeeded" | "Failed") {
        return 0;
    }
    let own = pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_u64);
    options.grace.or(own).unwrap_or(30)
}

async fn ask_webhooks(core: &Core, call: &Call, entry: &Entry, dry_run: bool) -> Result<(), ApiError> {
    const MUTATING: &str = "admissionregistration.k8s.io/mutatingwebhookconfigurations";
    const VALIDATING: &str = "admissionregistration.k8s.io/validatingwebhookconfigurations";
    if core.store.list(MUTATING, None).entries.is_empty() && core.store.list(VALIDATING, None).entries.is_empty() {
        return Ok(());
    }
    let old = convert::one_from_storage(core, &call.kind, entry.object.clone()).await?;
    let (mutating, validating) = {
        let ask = |configs: &str| request(core, call, Operation::Delete, configs, None, Some(&old), dry_run);
        (ask(MUTATING), ask(VALIDATING))
    };
    if let Some((configs, request)) = mutating {
        let outcome = core.callouts.callout.mutate(&configs, request).await?;
        outcome.warnings.into_iter().for_each(|text| call.warn(text));
    }
    if let Some((configs, request)) = validating {
        let warnings = core.callouts.callout.validate(&configs, &request).await?;
        warnings.into_iter().for_each(|text| call.warn(text));
    }
    Ok(())
}

/// Kinds whose deletion is answered with the object, not with a Status.
fn returns_object(call: &Call) -> bool {
    const KINDS: &[&str] = &["pods", "services", "serviceaccounts", "namespaces"];
    call.kind.resource.group.is_empty() && KINDS.contains(&call.kind.resource.plural.as_str())
}

fn success(call: &Call, entry: &Entry) -> Value {
    let resource = &call.kind.resource;
    let mut details = Details::of(&resource.group, &resource.plural, &entry.key.name);
    details.uid = meta::text(&entry.object, "uid").to_owned();
    let mut shown = json!({ "name": details.name, "kind": details.kind, "uid": details.uid });
    if let (false, Some(map)) = (details.group.is_empty(), shown.as_object_mut()) {
        map.insert("group".to_owned(), json!(details.group));
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": shown })
}
