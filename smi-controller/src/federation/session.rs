//! What has been heard of the hub and of peers: a state without IO.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant, SystemTime},
};

use isthmus_core::{federation::MeshName, id::ObjectName};
use isthmus_federation::{
    invitation::InvitationId,
    member::{Custody, Event, InvitationState, ToldConflict},
    names::Cluster,
};
use isthmus_identity::{BundleDigest, Contact, HeldBundle, PeerStanding, Propagation};
use isthmus_k8s::federation::MeshPeerStatus;

use super::catalogs::Catalogs;
use crate::{
    ca::{Sibling, Siblings},
    index::Told,
};

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) hub: Hub,
    /// A newer bundle of the hub's mesh than the one that is kept.
    pub(super) hub_bundle: Option<HeldBundle>,
    pub(super) peers: BTreeMap<MeshName, Peering>,
    pub(super) catalogs: Catalogs,
    /// The state of this mesh's roots, as its other clusters have sent it.
    pub(super) custody: BTreeMap<Cluster, Custody>,
}

/// The connection to the hub.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Hub {
    /// It is tried for the first time.
    #[default]
    Dialled,
    Connected {
        version: String,
    },
    Lost {
        why: String,
    },
}

/// What is known of a peer.
#[derive(Debug, Clone, Default)]
pub(super) struct Peering {
    /// What the hub says: does it agree, and which of its clusters are there?
    pub(super) said: Option<(bool, Vec<Cluster>)>,
    /// A newer bundle than the one that is kept.
    pub(super) bundle: Option<HeldBundle>,
    /// When it was heard last.
    pub(super) contact: Option<SystemTime>,
    /// How many seconds its clock is ahead, once that has been told.
    pub(super) ahead: Option<i64>,
    acked: BTreeMap<Cluster, Acked>,
    /// Where this mesh's clusters export a service differently, as each of its clusters has found.
    told: BTreeMap<Cluster, Vec<ToldConflict>>,
    /// What all its proxies held before this process began.
    before: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Acked {
    /// The newest of our bundles that all proxies held.
    complete: u64,
    proxies: Propagation,
    /// When the cluster was heard last.
    contact: Option<SystemTime>,
}

/// What somebody has to do about an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Deed {
    /// A mesh has used an invitation of ours: it becomes a peer.
    Introduce { invitation: InvitationId, mesh: MeshName, trust_domain: String, bundle: BundleDigest },
    /// The invitation's Secret is to say so.
    Mark(InvitationId, InvitationState),
    /// Something was not taken.
    Tell { peer: Option<MeshName>, what: String, why: String },
}

impl Session {
    /// What was kept of a peer; `now` by both clocks.
    pub(super) fn restore(&mut self, mesh: MeshName, status: &MeshPeerStatus, now: (Instant, SystemTime)) {
        let contact = status.last_contact.as_ref().map(|time| SystemTime::from(time.0));
        let age = contact.and_then(|contact| now.1.duration_since(contact).ok()).unwrap_or(Duration::ZERO);
        self.catalogs.restore(mesh.clone(), &status.catalogs, age, now.0);
        let before = status.acknowledged.unwrap_or(0);
        self.peers.insert(mesh, Peering { contact, before, ..Peering::default() });
    }

    /// Takes an event in; `now` by both clocks.
    pub(super) fn take(&mut self, event: Event, now: (Instant, SystemTime)) -> Option<Deed> {
        match event {
            Event::Connected { version } => self.hub = Hub::Connected { version },
            Event::Lost { why } => {
                self.hub = Hub::Lost { why };
                // Who is there can't be known without the hub.
                self.peers.values_mut().for_each(|peering| peering.said = None);
            }
            Event::HubBundle(held) => self.hub_bundle = Some(held),
            Event::Introduced { invitation, mesh, trust_domain, bundle } => {
                return Some(Deed::Introduce { invitation, mesh, trust_domain: trust_domain.to_string(), bundle });
            }
            Event::Invitation { invitation, state } => return Some(Deed::Mark(invitation, state)),
            Event::Bundle { peer, held } => self.heard(peer, now.1).bundle = Some(held),
            Event::Catalog { peer, cluster, sequence, digest, exports } => {
                self.heard_cluster(&peer, &cluster, now.1);
                self.catalogs.take(peer, cluster, sequence, digest, exports, now.0);
            }
            Event::Heartbeat { peer, cluster, sequence, counter } => {
                self.heard_cluster(&peer, &cluster, now.1);
                self.catalogs.beat(&peer, &cluster, sequence, counter, now.0);
            }
            Event::Acked { peer, cluster, sequence, trusting, total, conflicts } => {
                let peering = self.heard(peer, now.1);
                peering.told.insert(cluster.clone(), conflicts);
                peering.acked(cluster, sequence, trusting, total, now.1);
            }
            Event::Clock { peer, ahead } => self.peers.entry(peer).or_default().ahead = Some(ahead),
            Event::Withdrawn { peer, cluster } => {
                // Whoever has ended the relation isn't waited for.
                let peering = self.heard(peer.clone(), now.1);
                peering.acked.remove(&cluster);
                peering.told.remove(&cluster);
                self.catalogs.withdraw(&peer, &cluster);
            }
            Event::Custody { cluster, custody } => drop(self.custody.insert(cluster, custody)),
            Event::Peer { peer, agrees, connected } => {
                self.peers.entry(peer).or_default().said = Some((agrees, connected));
            }
            Event::Refused { peer, what, why } => return Some(Deed::Tell { peer, what, why }),
            // Of a newer library: what isn't known asks for nothing.
            _ => {}
        }
        None
    }

    /// How far the other clusters of this mesh are.
    pub(super) fn siblings(&self, mesh: &MeshName, own: &Cluster) -> Siblings {
        let mut siblings = Siblings::new();
        let Some(peering) = self.peers.get(mesh) else { return siblings };
        for (cluster, acked) in &peering.acked {
            let Acked { complete, proxies, .. } = *acked;
            siblings.insert(cluster.clone(), Sibling { connected: false, complete, proxies });
        }
        for cluster in peering.said.iter().flat_map(|(_, clusters)| clusters) {
            siblings.entry(cluster.clone()).or_default().connected = true;
        }
        siblings.remove(own);
        siblings
    }

    /// Where this mesh's clusters export a service differently, as others tell, by service.
    pub(super) fn told(&self) -> BTreeMap<ObjectName, BTreeSet<Told>> {
        let mut all: BTreeMap<ObjectName, BTreeSet<Told>> = BTreeMap::new();
        for (by, peering) in &self.peers {
            for conflict in peering.told.values().flatten() {
                let told = Told { by: by.clone(), conflict: conflict.clone() };
                all.entry(conflict.service.clone()).or_default().insert(told);
            }
        }
        all
    }

    /// Only these meshes are peers.
    pub(super) fn retain(&mut self, peers: impl Fn(&MeshName) -> bool) {
        self.peers.retain(|mesh, _| peers(mesh));
        self.catalogs.retain(peers);
    }

    /// What rotating our root has to know of those who trust it: of each cluster of a peer by itself, for one that is gone for good
    /// mustn't hold it up while another is there.
    pub(super) fn standings(&self, began: SystemTime) -> Vec<PeerStanding> {
        let standings = self.peers.iter().flat_map(|(mesh, peering)| peering.standings(mesh, began));
        standings.filter(|standing| standing.sequence > 0).collect()
    }

    fn heard_cluster(&mut self, mesh: &MeshName, cluster: &Cluster, now: SystemTime) {
        if let Some(acked) = self.heard(mesh.clone(), now).acked.get_mut(cluster) {
            acked.contact = Some(now);
        }
    }

    fn heard(&mut self, mesh: MeshName, now: SystemTime) -> &mut Peering {
        let peering = self.peers.entry(mesh).or_default();
        peering.contact = Some(now);
        peering
    }
}

impl Peering {
    fn acked(&mut self, cluster: Cluster, sequence: u64, trusting: u64, total: u64, now: SystemTime) {
        let before = Acked { complete: self.before, ..Acked::default() };
        let acked = self.acked.entry(cluster).or_insert(before);
        if trusting >= total {
            acked.complete = sequence;
        }
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        acked.proxies = Propagation { done: number(trusting), total: number(total) };
        acked.contact = Some(now);
    }

    /// The newest of our bundles that all its proxies hold, in all its clusters; 0: none.
    pub(super) fn complete(&self) -> u64 {
        self.acked.values().map(|acked| acked.complete).min().unwrap_or(self.before)
    }

    fn standings(&self, mesh: &MeshName, began: SystemTime) -> Vec<PeerStanding> {
        let there = |cluster: Option<&Cluster>| match &self.said {
            Some((true, clusters)) => cluster.map_or(!clusters.is_empty(), |cluster| clusters.contains(cluster)),
            _ => false,
        };
        let standing = |cluster: Option<&Cluster>, acked: Acked| PeerStanding {
            mesh: mesh.clone(),
            contact: match there(cluster) {
                true => Contact::Connected,
                false => Contact::LostAt(acked.contact.unwrap_or(began)),
            },
            sequence: acked.complete,
            proxies: acked.proxies,
            refusal: None,
        };
        if self.acked.is_empty() {
            // Of an earlier life, or of nobody yet: the mesh as a whole.
            let before = Acked { complete: self.before, contact: self.contact, ..Acked::default() };
            return vec![standing(None, before)];
        }
        self.acked.iter().map(|(cluster, acked)| standing(Some(cluster), *acked)).collect()
    }
}

#[cfg(test)]
mod tests;
