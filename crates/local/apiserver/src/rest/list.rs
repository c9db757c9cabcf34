//! Lists, in pages of one revision.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use isthmus_local_machinery::status::ApiError;
use isthmus_local_store::{Entry, Listing, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::options::{Match, Selection, resource_version, version_match};
use crate::call::Call;
use crate::convert;
use crate::core::{Core, key, store_error};
use crate::http::reply::Reply;
use crate::present;

/// Where the next page begins.
#[derive(Serialize, Deserialize)]
struct Continue {
    rv: u64,
    /// The last object of the page before: namespace and name.
    after: (String, String),
}

pub(super) async fn list(core: &Core, call: &Call) -> Result<Reply, ApiError> {
    let selection = Selection::of(call)?;
    let token = call.query.get("continue").map(read_token).transpose()?;
    let listing = pick(core, call, &selection, token.as_ref())?;
    let revision = listing.revision;
    let limit = call.query.number("limit")?.unwrap_or(0);
    let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let after = token.map(|token| token.after);
    let behind = |entry: &Entry| match &after {
        Some((namespace, name)) => {
            (entry.key.namespace.as_deref().unwrap_or_default(), &*entry.key.name) > (namespace.as_str(), name.as_str())
        }
        None => true,
    };
    let mut entries: Vec<Entry> = listing.entries;
    entries.retain(|entry| behind(entry) && selection.labels.matches(&entry.object));
    // Fields are those of the request's version, so everything is converted before they are compared.
    let mut converted = None;
    if selection.by_field {
        let (kept, objects) = select(core, call, &selection, entries).await?;
        (entries, converted) = (kept, Some(objects));
    }
    let rest = entries.len().saturating_sub(limit);
    let last = if rest > 0 { entries.get(limit.saturating_sub(1)).map(|entry| entry.key.clone()) } else { None };
    let objects = match converted {
        Some(mut objects) => {
            objects.truncate(limit);
            objects
        }
        None => {
            let objects = entries.into_iter().take(limit).map(|entry| entry.object).collect();
            convert::from_storage(core, &call.kind, objects).await?
        }
    };
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".to_owned(), json!(revision.to_string()));
    if let Some(key) = last {
        let after = (key.namespace.as_deref().unwrap_or_default().to_owned(), key.name.to_string());
        metadata.insert("continue".to_owned(), json!(write_token(&Continue { rv: revision, after })));
        if !selection.any {
            metadata.insert("remainingItemCount".to_owned(), json!(rest));
        }
    }
    present::list(call, &objects, &Value::Object(metadata))
}

async fn select(
    core: &Core,
    call: &Call,
    selection: &Selection,
    entries: Vec<Entry>,
) -> Result<(Vec<Entry>, Vec<Arc<Value>>), ApiError> {
    let objects = entries.iter().map(|entry| entry.object.clone()).collect();
    let objects = convert::from_storage(core, &call.kind, objects).await?;
    Ok(entries.into_iter().zip(objects).filter(|(_, object)| selection.fields.matches(object)).unzip())
}

/// The listing at the revision that the query asks for.
fn pick(core: &Core, call: &Call, selection: &Selection, token: Option<&Continue>) -> Result<Listing, ApiError> {
    let version = resource_version(call)?;
    let how = version_match(call, version)?;
    let (resource, namespace) = (call.kind.storage.as_str(), call.namespace.as_deref());
    let at = |revision: u64| {
        core.store.list_at(resource, namespace, revision).map_err(|error| match error {
            StoreError::Compacted { .. } if token.is_some() => ApiError::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
            ),
            StoreError::Compacted { oldest } => ApiError::too_old(revision, oldest),
            StoreError::Future { current } => ApiError::too_large_resource_version(revision, current),
            other => store_error(&call.kind, "", other),
        })
    };
    if let Some(token) = token {
        return at(token.rv);
    }
    match (how, version) {
        (Match::Exact, Some(revision)) => return at(revision),
        (_, Some(revision)) if revision > core.store.revision() => {
            return Err(ApiError::too_large_resource_version(revision, core.store.revision()));
        }
        _ => {}
    }
    // One object by its name needs no walk over all.
    if let (Some(name), true) = (selection.fields.name(), namespace.is_some() || !call.kind.resource.namespaced) {
        let revision = core.store.revision();
        let entry = core.store.get(&key(&call.kind, namespace, name));
        return Ok(match entry {
            // Something was written between the two reads: take a whole picture instead.
            Some(entry) if entry.revision > revision => core.store.list(resource, namespace),
            found => Listing { revision, entries: found.into_iter().collect() },
        });
    }
    Ok(core.store.list(resource, namespace))
}

fn write_token(token: &Continue) -> String {
    // Serializing numbers and strings can't fail.
    BASE64URL.encode(serde_json::to_vec(token).unwrap_or_default())
}

fn read_token(text: &str) -> Result<Continue, ApiError> {
    let bytes = BASE64URL.decode(text).ok();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| ApiError::bad_request(format!("continue key is not valid: {text:?}: list again without it")))
}
