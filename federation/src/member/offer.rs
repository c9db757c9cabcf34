//! What the controller tells its member: all of it, each time something has changed.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use isthmus_core::{federation::MeshName, id::TrustDomain};
use isthmus_identity::{BundleDigest, Chain, HeldBundle};

use crate::{
    catalog::{Digest, Exports, merge::Conflict},
    invitation::{Invitation, InvitationId},
    names::Cluster,
};

/// What this cluster brings, and whom it agrees with.
#[derive(Debug, Clone)]
pub struct Offer {
    /// This mesh.
    pub mesh: MeshName,
    /// This cluster of it.
    pub cluster: Cluster,
    /// This mesh's trust domain.
    pub trust_domain: TrustDomain,
    /// This mesh's signed bundles, oldest first.
    pub chain: Chain,
    /// What is exported, by the peer that it is for. A peer that isn't here is offered nothing.
    pub exports: BTreeMap<MeshName, Arc<Exports>>,
    /// The meshes that this one agrees with. Leaving one out ends the relation: it is told that nothing is offered any more.
    pub peers: BTreeMap<MeshName, Peer>,
    /// Invitations of this mesh that may still be used. Leaving one out withdraws it.
    pub invitations: BTreeMap<InvitationId, Arc<Invitation>>,
    /// The state of the mesh's roots, for its other clusters.
    pub custody: Option<Custody>,
}

/// The state of a mesh's roots, which none but the mesh's own clusters can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custody {
    /// Of the mesh's bundle.
    pub sequence: u64,
    /// Encrypted and authenticated by a key that the mesh's clusters share.
    pub closed: Bytes,
}

/// A mesh that this one agrees with, and what is held of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    /// Whose workloads are of that mesh.
    pub trust_domain: TrustDomain,
    /// The bundle that was held last; later ones must be signed by it.
    pub held: Option<HeldBundle>,
    /// The bundle to begin with, if none is held.
    pub pin: Option<BundleDigest>,
    /// The catalogs that were taken last, by their cluster: nothing lower is taken.
    pub catalogs: BTreeMap<Cluster, (u64, Digest)>,
    /// How far its bundle has got here.
    pub trust: Trust,
    /// Where its clusters differ: see [`crate::catalog::merge`].
    pub conflicts: Vec<Conflict>,
}

/// How far a peer's bundle has got among the proxies of this cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trust {
    /// The sequence that `trusting` speaks of.
    pub sequence: u64,
    /// Proxies that hold the bundle of this sequence, or a later one.
    pub trusting: u64,
    /// Connected proxies.
    pub total: u64,
}

impl Peer {
    /// A peer that nothing is held of.
    pub fn new(trust_domain: TrustDomain, pin: Option<BundleDigest>) -> Self {
        let (catalogs, conflicts) = Default::default();
        Self { trust_domain, held: None, pin, catalogs, trust: Trust::default(), conflicts }
    }
}
