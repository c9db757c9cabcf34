//! What the keeper of the certificate and the session tell each other.

use isthmus_identity::RootId;
use tokio::sync::{Notify, watch};

use super::Link;

/// The present leaf.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Own {
    /// There is one.
    pub(super) certified: bool,
    /// The published root that it stands on, and whether that is the one that signs.
    root: Option<(RootId, bool)>,
}

#[derive(Debug, Default)]
pub(super) struct Leaf {
    own: watch::Sender<Own>,
    /// The roots have changed so that the leaf doesn't stand on the one that signs.
    turned: Notify,
    reachable: Notify,
}

impl Own {
    pub(super) fn root(&self) -> Option<RootId> {
        self.root.map(|(root, _)| root)
    }

    fn is_of_signer(&self) -> bool {
        self.root.is_some_and(|(_, signs)| signs)
    }
}

impl Leaf {
    /// There is a new leaf. Does it stand on the root that signs?
    pub(super) fn renewed(&self, link: &Link) -> bool {
        let own = Own { certified: link.tls.svid().get().is_some(), root: link.tls.own_root() };
        self.own.send_replace(own);
        own.is_of_signer()
    }

    /// There are new roots.
    pub(super) fn roots_changed(&self, link: &Link) {
        if !self.renewed(link) {
            self.turned.notify_one();
        }
    }

    /// The leaf, as it changes.
    pub(super) fn own(&self) -> watch::Receiver<Own> {
        self.own.subscribe()
    }

    pub(super) async fn turned(&self) {
        loop {
            self.turned.notified().await;
            // It may be of before the last renewal.
            if !self.own.borrow().is_of_signer() {
                return;
            }
        }
    }

    /// The controller can be reached (again).
    pub(super) fn reached(&self) {
        self.reachable.notify_waiters();
    }

    pub(super) async fn reachable(&self) {
        self.reachable.notified().await;
    }
}
