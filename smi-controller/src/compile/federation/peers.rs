//! Which peers count, and what is trusted because of them.

use isthmus_core::{
    federation::MeshName,
    id::{ObjectName, TrustDomain},
};
use isthmus_identity::{Bundle, likeness};

use crate::{
    compile::Reader,
    fault::{Fault, Kind, Reason},
    index::{Object, Peer},
};

/// Most peers whose bundles are served: a proxy takes those of 1024 trust domains.
const MAX_PEERS: usize = 1000;

/// A peer that counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InForce<'a> {
    pub(crate) mesh: &'a MeshName,
    pub(crate) trust_domain: &'a TrustDomain,
    pub(crate) object: &'a Object<Peer>,
}

/// The peers that count, the oldest first.
pub(crate) fn in_force<'a>(reader: &Reader<'a>) -> Vec<InForce<'a>> {
    let sound = reader.peers().filter_map(|object| read(object).filter(|peer| objection(reader, peer).is_none()));
    sound.take(MAX_PEERS).collect()
}

/// The peer of this name, if it counts.
pub(crate) fn named<'a>(reader: &Reader<'a>, mesh: &MeshName) -> Option<InForce<'a>> {
    let peer = read(reader.peer(&ObjectName::new("", mesh.as_str()))?)?;
    objection(reader, &peer).is_none().then_some(peer)
}

/// Has this mesh other clusters, as its Mesh says?
pub(crate) fn has_siblings(reader: &Reader<'_>) -> bool {
    reader.own_mesh().is_some_and(|mesh| mesh.content.clusters.len() > 1)
}

/// A mesh that may be imported from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) trust_domain: &'a TrustDomain,
    /// Its pods are called at their own addresses.
    pub(crate) flat: bool,
}

/// A peer whose roots are known may be imported from, and the own mesh: of its other clusters, if it has some.
pub(crate) fn origin<'a>(reader: &Reader<'a>, mesh: &MeshName) -> Option<Origin<'a>> {
    if *mesh == reader.settings().mesh {
        return has_siblings(reader).then(|| Origin { trust_domain: &reader.settings().trust_domain, flat: false });
    }
    let peer = named(reader, mesh).filter(|peer| peer.object.content.bundle.is_some())?;
    Some(Origin { trust_domain: peer.trust_domain, flat: peer.object.content.flat })
}

/// Why a peer that is well formed doesn't count.
pub(super) fn why_not(reader: &Reader<'_>, object: &Object<Peer>) -> Option<Fault> {
    let peer = read(object)?;
    objection(reader, &peer).or_else(|| {
        let counts = in_force(reader).iter().any(|counted| counted.mesh == peer.mesh);
        (!counts).then(|| {
            let message =
                format!("there are {MAX_PEERS} older peers, and no more can be: delete one that isn't needed");
            Fault::excluded(Reason::TooManyPeers, message)
        })
    })
}

/// `None`: it isn't well formed, or on its way out.
fn read(object: &Object<Peer>) -> Option<InForce<'_>> {
    let peer = object.is_sound().then_some(&object.content)?;
    Some(InForce { mesh: peer.mesh.as_ref()?, trust_domain: peer.trust_domain.as_ref()?, object })
}

fn objection(reader: &Reader<'_>, peer: &InForce<'_>) -> Option<Fault> {
    let own = &reader.settings().trust_domain;
    let domain = peer.trust_domain;
    if *peer.mesh == reader.settings().mesh {
        let message = format!("metadata.name: {} is this mesh itself: a peer is another one", peer.mesh);
        return Some(Fault::excluded(Reason::InvalidName, message));
    }
    if likeness(domain) == likeness(own) {
        let message = format!(
            "spec.trustDomain: {domain} is, or can be taken for, this mesh's own {own}: one of the two meshes needs another \
             trust domain"
        );
        return Some(Fault::excluded(Reason::InvalidTrustDomain, message));
    }
    let first = reader.first_peer_like(domain).filter(|first| first.name != peer.object.name)?;
    let message = format!(
        "spec.trustDomain: {domain} is, or can be taken for, that of MeshPeer {}, which is older: this one has no effect",
        first.name.name
    );
    Some(Fault::excluded(Reason::InvalidTrustDomain, message))
}

/// Notes that a result is what it is because of this peer.
pub(super) fn counts(reader: &Reader<'_>, peer: &Object<Peer>) {
    // What the proxies are to have is this bundle of the peer, however often its object is written.
    if let Some(held) = &peer.content.bundle {
        reader.uses_at(Kind::MeshPeer, peer, i64::try_from(held.sequence()).unwrap_or(i64::MAX));
    }
}

/// All that proxies may trust: this mesh's own, and what was verified of each peer.
pub(crate) fn bundles(reader: &Reader<'_>, own: &[Bundle]) -> Vec<Bundle> {
    let peers = in_force(reader).into_iter().filter_map(|peer| {
        let held = peer.object.content.bundle.as_ref()?;
        counts(reader, peer.object);
        Some(held.bundle().clone())
    });
    own.iter().cloned().chain(peers).collect()
}
