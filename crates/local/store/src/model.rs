//! What goes in and comes out: keys, entries, events.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::StoreError;

/// The address of one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Group and plural name, as in `apps/deployments`; the core group is empty: `/pods`.
    pub resource: Arc<str>,
    /// The namespace, or none for a cluster-scoped object.
    pub namespace: Option<Arc<str>>,
    /// The object's name.
    pub name: Arc<str>,
}

impl Key {
    /// A key of a resource (`group/plural`), an optional namespace and a name.
    pub fn new(resource: &str, namespace: Option<&str>, name: &str) -> Self {
        Self { resource: resource.into(), namespace: namespace.map(Into::into), name: name.into() }
    }

    /// The namespace as a map key: cluster-scoped objects live under the empty one.
    pub(crate) fn space(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.resource, self.name),
            None => write!(f, "{} {}", self.resource, self.name),
        }
    }
}

/// One object as it is at one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where it is.
    pub key: Key,
    /// The object; its `metadata.resourceVersion` is `revision` in decimal.
    pub object: Arc<Value>,
    /// The revision of the write that made it so.
    pub revision: u64,
}

/// What a write did to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was not there before.
    Added,
    /// It is gone.
    Deleted,
    /// It was there and is different now.
    Modified,
}

/// One change. Revisions of events are strictly rising.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To which object.
    pub key: Key,
    /// The new state; for a deletion the last state, with the deletion's revision as its `resourceVersion`.
    pub object: Arc<Value>,
    /// The state before, unless it was added.
    pub previous: Option<Arc<Value>>,
    /// The revision of this change.
    pub revision: u64,
}

/// The objects of one resource at one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// The revision that this is a picture of: a watch from here misses nothing.
    pub revision: u64,
    /// The objects, ordered by namespace and name.
    pub entries: Vec<Entry>,
}

/// Writes `metadata.resourceVersion`; an object without a `metadata` object can't be stored.
pub(crate) fn set_resource_version(object: &mut Value, revision: u64) -> Result<(), StoreError> {
    metadata(object)?.insert("resourceVersion".to_owned(), Value::String(revision.to_string()));
    Ok(())
}

/// Takes `metadata.resourceVersion` out: what is compared, measured and written to disk is the object without it.
pub(crate) fn strip_resource_version(object: &mut Value) -> Result<(), StoreError> {
    metadata(object)?.remove("resourceVersion");
    Ok(())
}

/// The revision in an object's `metadata.resourceVersion`, which the store itself wrote.
pub(crate) fn revision_of(object: &Value) -> u64 {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn metadata(object: &mut Value) -> Result<&mut serde_json::Map<String, Value>, StoreError> {
    object
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .ok_or(StoreError::MalformedObject { field: "metadata", remedy: "give it an object" })
}
