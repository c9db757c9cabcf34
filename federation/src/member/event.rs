//! What a member tells its controller. All of it is verified, but for what only the hub knows ([`Event::Peer`],
//! [`Event::Invitation`]): that decides nothing.

use std::sync::Arc;

use isthmus_core::{
    federation::MeshName,
    id::{ObjectName, TrustDomain},
};
use isthmus_identity::{BundleDigest, HeldBundle};

use super::offer::Custody;
use crate::{
    catalog::{Digest, Exports},
    invitation::InvitationId,
    names::Cluster,
};

/// Something has happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// There is a session with the hub.
    Connected {
        /// The hub's build.
        version: String,
    },
    /// There is none any more; it is tried again. What is held goes on to be used, and ages.
    Lost {
        /// Why.
        why: String,
    },
    /// A newer bundle of the hub's mesh: to be kept for the next start.
    HubBundle(HeldBundle),
    /// A mesh has used an invitation of this one, and has proved that it holds it. Make a MeshPeer with this pin, and leave
    /// the invitation out of the offer.
    Introduced {
        /// Which.
        invitation: InvitationId,
        /// Who.
        mesh: MeshName,
        /// Its trust domain.
        trust_domain: TrustDomain,
        /// Its bundle.
        bundle: BundleDigest,
    },
    /// What the hub makes of an invitation of this mesh.
    Invitation {
        /// Which.
        invitation: InvitationId,
        /// What.
        state: InvitationState,
    },
    /// A newer bundle of a peer.
    Bundle {
        /// Whose.
        peer: MeshName,
        /// It.
        held: HeldBundle,
    },
    /// A newer catalog of one cluster of a peer. It counts as a sign of life.
    Catalog {
        /// Whose.
        peer: MeshName,
        /// Of which of its clusters.
        cluster: Cluster,
        /// Its sequence.
        sequence: u64,
        /// Its digest.
        digest: Digest,
        /// It.
        exports: Arc<Exports>,
    },
    /// A sign of life: the catalog held is the newest.
    Heartbeat {
        /// Whose.
        peer: MeshName,
        /// Of which of its clusters.
        cluster: Cluster,
        /// Of the catalog.
        sequence: u64,
        /// Higher than the one before of the same sequence.
        counter: u64,
    },
    /// How far a peer's clock is ahead of this one, by what it has signed: at first, and when it has moved by some seconds.
    Clock {
        /// Whose.
        peer: MeshName,
        /// Seconds; negative: behind.
        ahead: i64,
    },
    /// How far this mesh's bundle has got in one cluster of a peer, and what it can't use of this mesh's catalogs.
    Acked {
        /// Whose.
        peer: MeshName,
        /// Of which of its clusters.
        cluster: Cluster,
        /// The sequence of this mesh's bundle that is held there.
        sequence: u64,
        /// Proxies that hold it.
        trusting: u64,
        /// Connected proxies.
        total: u64,
        /// Where this mesh's clusters differ.
        conflicts: Vec<ToldConflict>,
    },
    /// The state of this mesh's roots, from another cluster of it.
    Custody {
        /// Which cluster's.
        cluster: Cluster,
        /// It.
        custody: Custody,
    },
    /// One cluster of a peer offers nothing any more: it has ended the relation.
    Withdrawn {
        /// Whose.
        peer: MeshName,
        /// Which of its clusters.
        cluster: Cluster,
    },
    /// What the hub says of a peer.
    Peer {
        /// Whose.
        peer: MeshName,
        /// Does the peer agree with this mesh?
        agrees: bool,
        /// Its clusters that have a session with the hub.
        connected: Vec<Cluster>,
    },
    /// Something was not taken; what was held stays.
    Refused {
        /// Whose it should have been; `None`: the hub's.
        peer: Option<MeshName>,
        /// What: "bundle", "catalog", "heartbeat", "acknowledgement", "introduction", or what the hub didn't take.
        what: String,
        /// Why, and what to do.
        why: String,
    },
}

/// What the hub makes of an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvitationState {
    /// It can be used.
    Announced,
    /// It has been used by this mesh. Believe [`Event::Introduced`].
    Used(String),
    /// It is over.
    Expired,
    /// It was withdrawn.
    Withdrawn,
    /// The hub doesn't know it.
    Unknown,
}

/// Two clusters of this mesh export a service differently, as a peer has found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToldConflict {
    /// The service.
    pub service: ObjectName,
    /// Its port.
    pub port: u16,
    /// The cluster whose export counts.
    pub winner: Cluster,
    /// The cluster whose doesn't.
    pub loser: Cluster,
    /// What differs: `name`, `appProtocol` or `port`.
    pub field: String,
}
