//! How far other meshes are.
//!
//! A peer matters to one step only: before the next root signs, the peer's proxies have to hold it. The old root is retired
//! without asking peers: nothing shows a leaf of it any more, so whether a peer still trusts it does no harm.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use isthmus_core::federation::MeshName;

use super::{MAX_REASON, Waiting};

/// What another mesh says of our bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStanding {
    /// Which mesh.
    pub mesh: MeshName,
    /// Is it there?
    pub contact: Contact,
    /// The sequence of our bundle that all its proxies hold; 0 for none. Which of its proxies count, absent ones among
    /// them, is for the peer to say.
    pub sequence: u64,
    /// How many of its proxies hold the newest of our bundles that it knows.
    pub proxies: Propagation,
    /// Why it doesn't take our newest bundle.
    pub refusal: Option<String>,
}

/// Whether a peer can be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// It can.
    Connected,
    /// It can't since then.
    LostAt(SystemTime),
}

/// How many of how many: `410/412`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Propagation {
    /// How many have it.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

impl fmt::Display for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.done, self.total)
    }
}

/// What to wait for before the root that came with this sequence may sign.
///
/// A connected peer is waited for as long as it is there. One out of contact is waited for until `bound` after it was
/// last heard, as long as an absent proxy: by then what the two import from each other has not been renewed for so long that
/// it has expired, unless the user wanted it to be served for longer. So a peer that is gone for good can't hold a rotation.
pub(super) fn waiting(peers: &[PeerStanding], sequence: u64, bound: Duration, now: SystemTime) -> Option<Waiting> {
    let (mut behind, mut absent) = (Vec::new(), Vec::new());
    for peer in peers.iter().filter(|peer| peer.sequence < sequence) {
        match (peer.contact, &peer.refusal) {
            (Contact::Connected, Some(reason)) => {
                let reason = reason.chars().take(MAX_REASON).collect();
                return Some(Waiting::PeerRefusal { mesh: peer.mesh.clone(), reason });
            }
            (Contact::Connected, None) => behind.push(peer),
            // A clock that was set back makes it longer, never shorter.
            (Contact::LostAt(lost), _) => {
                let left = bound.saturating_sub(now.duration_since(lost).unwrap_or_default());
                absent.extend((!left.is_zero()).then_some((left, peer)));
            }
        }
    }
    if let Some(peer) = behind.first() {
        return Some(Waiting::PeersBehind { count: behind.len(), mesh: peer.mesh.clone(), proxies: peer.proxies });
    }
    let (left, peer) = absent.iter().max_by_key(|(left, _)| *left)?;
    Some(Waiting::PeersAbsent { count: absent.len(), mesh: peer.mesh.clone(), left: *left })
}
