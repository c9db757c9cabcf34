//! Rotation of a mesh's root (design §6): which roots are published, which one signs, and when the next step may be taken.
//!
//! Publish the next root beside the signing one → every proxy holds both, here and in peers → sign with the next → every
//! leaf stands on it → retire the one before. Nothing here knows of time, proxies or peers but by its arguments.

mod census;
mod peers;

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls_pki_types::CertificateDer;

pub use census::{Census, Standing, Waiting};
pub use peers::{Contact, PeerStanding, Propagation};

/// How much longer than a leaf can live an absent proxy is waited for: for clocks that differ, and replicas that learn late.
pub const ABSENCE_SLACK: Duration = Duration::from_mins(2);

/// Shortest phase: replicas of the controller learn of it one after another, and until then sign as in the one before.
pub const SETTLE: Duration = Duration::from_secs(3);

/// Longest text of a reason that others give, in characters.
const MAX_REASON: usize = 200;

/// Names a root: the SHA-256 of its certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootId([u8; 32]);

/// Where a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// There is one root.
    Steady {
        /// It.
        root: RootId,
    },
    /// The next root is published, and signs nothing yet.
    Publishing {
        /// Signs.
        signer: RootId,
        /// Is to sign once every proxy holds it.
        next: RootId,
    },
    /// The next root signs; there are leaves of the one before.
    Turning {
        /// Signs.
        signer: RootId,
        /// Is retired once no proxy shows a leaf of it.
        old: RootId,
    },
}

/// The state of a mesh's roots. Kept where it survives its process; without the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Where it is.
    pub phase: Phase,
    /// The sequence of the bundle; grows with each phase.
    pub sequence: u64,
    /// When the phase began.
    pub since: SystemTime,
    /// The longest lifetime that a leaf may have had: proxies that are absent for longer have none that is valid.
    pub longest_leaf: Duration,
}

/// What the next step depends on.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The root that the mesh should have.
    pub wanted: RootId,
    /// Has the signing root expired? Then there is no valid leaf that could be cut off.
    pub signer_expired: bool,
    /// The lifetime of leaves signed now.
    pub leaf_lifetime: Duration,
    /// The proxies, each with how far it is in this phase: see [`Phase::duty`].
    pub census: &'a Census,
    /// The peers: other meshes that are to believe our leaves.
    pub peers: &'a [PeerStanding],
    /// Something besides proxies that has to know the published roots, and doesn't yet.
    pub obstacle: Option<&'a str>,
}

/// What is to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing; in a rotation, because of this.
    Stay(Option<Waiting>),
    /// The next phase. It is in effect once it has been stored.
    Advance(Rotation),
}

/// What a proxy has to do in a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Nothing.
    None,
    /// Acknowledge the bundle of the present sequence.
    HoldBundle,
    /// Show a leaf of this root.
    LeafOf(RootId),
}

impl RootId {
    /// The name of a root certificate (DER).
    pub fn of(root: &CertificateDer<'_>) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, root);
        let mut id = [0; 32];
        id.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(id)
    }

    /// As it is sent.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As it was sent.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootId({self})")
    }
}

impl Phase {
    /// The root that signs leaves.
    pub fn signer(self) -> RootId {
        match self {
            Self::Steady { root: signer } | Self::Publishing { signer, .. } | Self::Turning { signer, .. } => signer,
        }
    }

    /// The other root that is published.
    pub fn other(self) -> Option<RootId> {
        match self {
            Self::Steady { .. } => None,
            Self::Publishing { next: other, .. } | Self::Turning { old: other, .. } => Some(other),
        }
    }

    /// The root that every proxy has known for longest. The controller's own leaf is of it, so that a proxy which was
    /// away while the next root was published can come back and learn of it.
    pub fn elder(self) -> RootId {
        match self {
            Self::Steady { root: elder }
            | Self::Publishing { signer: elder, .. }
            | Self::Turning { old: elder, .. } => elder,
        }
    }

    /// What each proxy has to do before the next phase.
    pub fn duty(self) -> Duty {
        match self {
            Self::Steady { .. } => Duty::None,
            Self::Publishing { .. } => Duty::HoldBundle,
            Self::Turning { signer, .. } => Duty::LeafOf(signer),
        }
    }
}

impl Rotation {
    /// The state of a mesh with this one root. The sequence begins at the clock's seconds: a mesh whose state was lost begins
    /// above what its proxies hold.
    pub fn begin(root: RootId, leaf_lifetime: Duration, now: SystemTime) -> Self {
        let sequence = now.duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs().max(1));
        Self { phase: Phase::Steady { root }, sequence, since: now, longest_leaf: leaf_lifetime }
    }

    /// The published roots, the signing one first.
    pub fn roots(&self) -> impl Iterator<Item = RootId> {
        std::iter::once(self.phase.signer()).chain(self.phase.other())
    }

    /// Decides what is to happen next.
    ///
    /// A connected proxy that hasn't done its [`Duty`], or refuses to, holds the phase for as long as it is there. An absent
    /// one holds it until its leaf must have expired: then it can speak to nobody by mesh TLS before it has come back for a
    /// new leaf, and gets the roots with it. Peers hold [`Phase::Publishing`] in the same way, and no other phase.
    pub fn step(&self, facts: &Facts<'_>, now: SystemTime) -> Step {
        let Facts { wanted, .. } = *facts;
        if facts.signer_expired && wanted != self.phase.signer() {
            return self.to(Phase::Steady { root: wanted }, facts, now);
        }
        match self.phase {
            Phase::Steady { root } if wanted == root => Step::Stay(None),
            Phase::Steady { root: signer } => self.to(Phase::Publishing { signer, next: wanted }, facts, now),
            // Nothing stands on the next root: it can go without harm.
            Phase::Publishing { signer, .. } if wanted == signer => self.to(Phase::Steady { root: signer }, facts, now),
            Phase::Publishing { signer, next } if wanted != next => {
                self.to(Phase::Publishing { signer, next: wanted }, facts, now)
            }
            Phase::Publishing { signer: old, next: signer } => {
                self.unless_held(Phase::Turning { signer, old }, facts.peers, facts, now)
            }
            Phase::Turning { signer, .. } => self.unless_held(Phase::Steady { root: signer }, &[], facts, now),
        }
    }

    fn unless_held(&self, next: Phase, peers: &[PeerStanding], facts: &Facts<'_>, now: SystemTime) -> Step {
        let elapsed = now.duration_since(self.since).unwrap_or_default();
        let bound = self.longest_leaf.max(facts.leaf_lifetime).saturating_add(ABSENCE_SLACK);
        let proxies = facts.census.waiting(bound.checked_sub(elapsed).filter(|left| !left.is_zero()));
        match proxies.or_else(|| peers::waiting(peers, self.sequence, bound, now)) {
            Some(waiting) => Step::Stay(Some(waiting)),
            None if elapsed < SETTLE => {
                Step::Stay(Some(Waiting::For("every replica of the controller to learn of it".to_owned())))
            }
            None => match facts.obstacle {
                Some(obstacle) => Step::Stay(Some(Waiting::For(obstacle.to_owned()))),
                None => self.to(next, facts, now),
            },
        }
    }

    fn to(&self, phase: Phase, facts: &Facts<'_>, now: SystemTime) -> Step {
        Step::Advance(Self {
            phase,
            sequence: self.sequence.saturating_add(1),
            since: now,
            longest_leaf: self.longest_leaf.max(facts.leaf_lifetime),
        })
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
