//! The roots in use, as tasks share them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_identity::{Authority, Bundle, Phase, RootId, Rotation};
use tokio::sync::watch;

/// The present roots. Whoever signs or publishes looks here each time, or waits for a change.
pub(crate) type SharedRoots = watch::Receiver<Arc<Roots>>;

/// The published roots with their keys.
#[derive(Debug)]
pub(crate) struct Roots {
    pub(crate) rotation: Rotation,
    signer: Arc<Authority>,
    other: Option<Arc<Authority>>,
}

impl Roots {
    /// Of a mesh with one root.
    pub(crate) fn begin(root: Arc<Authority>, leaf_lifetime: Duration, now: SystemTime) -> Self {
        Self { rotation: Rotation::begin(root.root(), leaf_lifetime, now), signer: root, other: None }
    }

    /// The roots of this state. `None`: one isn't among `authorities`.
    pub(crate) fn of(rotation: Rotation, authorities: &[Arc<Authority>]) -> Option<Self> {
        let find = |root: RootId| authorities.iter().find(|authority| authority.root() == root).cloned();
        let other = match rotation.phase.other() {
            Some(other) => Some(find(other)?),
            None => None,
        };
        Some(Self { rotation, signer: find(rotation.phase.signer())?, other })
    }

    /// Signs leaves.
    pub(crate) fn signer(&self) -> &Arc<Authority> {
        &self.signer
    }

    /// Signs the controller's own leaf: what every proxy trusts by now.
    pub(crate) fn elder(&self) -> &Arc<Authority> {
        match (self.rotation.phase, &self.other) {
            (Phase::Turning { .. }, Some(old)) if old.not_after() > SystemTime::now() => old,
            _ => &self.signer,
        }
    }

    /// All, the signing one first.
    pub(crate) fn all(&self) -> Vec<Arc<Authority>> {
        std::iter::once(&self.signer).chain(&self.other).cloned().collect()
    }

    /// What proxies are to trust, the signing root first.
    pub(crate) fn bundle(&self) -> Bundle {
        let roots = self.all().iter().map(|authority| authority.certificate().clone()).collect();
        Bundle { roots, ..self.signer.bundle(self.rotation.sequence) }
    }

    /// A receiver that never hears of a change.
    #[cfg(test)]
    pub(crate) fn fixed(root: Arc<Authority>) -> SharedRoots {
        watch::Sender::new(Arc::new(Self::begin(root, Duration::from_secs(3600), SystemTime::now()))).subscribe()
    }
}
