//! What the task that keeps the roots and the one that speaks to other clusters tell each other.

use std::sync::Arc;

use isthmus_federation::member::Trust;
use tokio::sync::watch;

use super::{Roots, Siblings};

/// The end of who keeps the roots.
pub(crate) struct KeeperEnd {
    /// How far the mesh's other clusters are.
    pub(super) siblings: watch::Receiver<Siblings>,
    /// The newest roots that the mesh's first cluster has sent.
    pub(super) given: watch::Receiver<Option<Arc<Roots>>>,
    /// How far this cluster is with what the present phase asks.
    pub(super) progress: watch::Sender<Trust>,
}

/// The end of who speaks to other clusters.
pub(crate) struct SpeakerEnd {
    pub(crate) siblings: watch::Sender<Siblings>,
    pub(crate) given: watch::Sender<Option<Arc<Roots>>>,
    pub(crate) progress: watch::Receiver<Trust>,
}

/// Both ends.
pub(crate) fn between() -> (KeeperEnd, SpeakerEnd) {
    let (to_keeper, siblings) = watch::channel(Siblings::new());
    let (giver, given) = watch::channel(None);
    let (progress, seen) = watch::channel(Trust::default());
    let keeper = KeeperEnd { siblings, given, progress };
    (keeper, SpeakerEnd { siblings: to_keeper, given: giver, progress: seen })
}
