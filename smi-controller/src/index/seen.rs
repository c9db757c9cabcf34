//! What the watches show of that which the leader writes for federation: an edit by somebody else is told from its own word by it.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use isthmus_core::id::ObjectName;
use isthmus_k8s::{
    federation::{ImportStatus, ImportedService, Mesh, MeshPeer, MeshPeerStatus, MeshStatus},
    watch::Change,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use serde::Serialize;

use super::{Update, table::name_of};
use crate::fault::{Kind, ObjectRef};

/// On an EndpointSlice: who keeps it.
pub(crate) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// That is the leader.
pub(crate) const MANAGER: &str = "isthmus.mesh";

/// A digest of what the leader writes into an object. Equal ones are equal by one process's reckoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Print(u64);

impl Print {
    pub(crate) fn of(content: &impl Serialize) -> Self {
        let mut hasher = DefaultHasher::new();
        // What an API server has sent as JSON can be written as JSON.
        serde_json::to_string(content).unwrap_or_default().hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// All that was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    statuses: HashMap<ObjectRef, Print>,
    slices: HashMap<ObjectName, Print>,
}

impl Seen {
    /// The status of a Mesh, MeshPeer or ImportedService.
    pub(crate) fn status(&self, object: &ObjectRef) -> Option<Print> {
        self.statuses.get(object).copied()
    }

    /// An EndpointSlice of the leader's.
    pub(crate) fn slice(&self, name: &ObjectName) -> Option<Print> {
        self.slices.get(name).copied()
    }

    pub(super) fn note(&mut self, update: &Update) {
        match update {
            Update::Mesh(change) => self.note_status(Kind::Mesh, change),
            Update::Peer(change) => self.note_status(Kind::MeshPeer, change),
            Update::Import(change) => self.note_status(Kind::ImportedService, change),
            Update::EndpointSlice(Change::Applied(slice)) => {
                let ours = slice.labels().get(MANAGED_BY).is_some_and(|manager| manager == MANAGER);
                put(&mut self.slices, name_of(slice), ours.then(|| slice.print()));
            }
            Update::EndpointSlice(Change::Deleted(name)) => put(&mut self.slices, name.clone(), None),
            _ => {}
        }
    }

    fn note_status<T: Printed + ResourceExt>(&mut self, kind: Kind, change: &Change<T>) {
        let (name, print) = match change {
            Change::Applied(object) => (name_of(object), Some(object.print())),
            Change::Deleted(name) => (name.clone(), None),
            // What is no status at all isn't ours either.
            Change::Malformed(malformed) => (malformed.name.clone(), Some(Print::of(&malformed.error))),
            Change::Synced => return,
        };
        put(&mut self.statuses, ObjectRef { kind, name }, print);
    }
}

fn put<K: Eq + Hash>(seen: &mut HashMap<K, Print>, key: K, print: Option<Print>) {
    match print {
        Some(print) => seen.insert(key, print),
        None => seen.remove(&key),
    };
}

/// An object that the leader writes into.
pub(crate) trait Printed {
    /// The digest of what it writes there, and of nothing else.
    fn print(&self) -> Print;
}

impl Printed for Mesh {
    fn print(&self) -> Print {
        let MeshStatus { bundle, hub, catalogs, last_contact, .. } = self.status.clone().unwrap_or_default();
        Print::of(&(bundle, hub, catalogs, last_contact))
    }
}

impl Printed for MeshPeer {
    fn print(&self) -> Print {
        let MeshPeerStatus { bundle, acknowledged, catalogs, revocation, .. } = self.status.clone().unwrap_or_default();
        Print::of(&(bundle, acknowledged, catalogs, revocation))
    }
}

impl Printed for ImportedService {
    fn print(&self) -> Print {
        let ImportStatus { state, endpoints, catalog, conflicts, .. } = self.status.clone().unwrap_or_default();
        Print::of(&(state, endpoints, catalog, conflicts))
    }
}

impl Printed for EndpointSlice {
    fn print(&self) -> Print {
        let meta = (&self.metadata.labels, &self.metadata.owner_references);
        Print::of(&(meta, &self.address_type, &self.endpoints, &self.ports))
    }
}
