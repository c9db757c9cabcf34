//! What has changed since somebody looked: the writer of statuses, and each replica that follows this one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use isthmus_core::id::ObjectName;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::fault::ObjectRef;

/// Most replicas that follow this one.
pub(super) const MAX_FOLLOWERS: usize = 16;

/// Names a follower within this process.
pub(crate) type FollowerId = u64;

/// What is new to whom.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Objects whose status may have changed.
    pub(super) unsettled: BTreeSet<ObjectRef>,
    followers: BTreeMap<FollowerId, Follower>,
    next: FollowerId,
}

/// Another replica, and what it hasn't been told yet: names, of which the present state is told when it asks.
#[derive(Debug)]
pub(super) struct Follower {
    replica: Arc<str>,
    /// Has it been told nothing at all?
    pub(super) new: bool,
    pub(super) proxies: BTreeSet<ObjectName>,
    pub(super) objects: BTreeSet<ObjectRef>,
    /// The sequence that it knows.
    pub(super) sequence: u64,
    wake: Arc<Notify>,
    /// Cancelled when the same replica follows anew.
    replaced: CancellationToken,
}

impl News {
    /// What is counted of an object here has changed.
    pub(super) fn object(&mut self, object: &ObjectRef) {
        self.unsettled.insert(object.clone());
        self.counted(object);
    }

    /// The same where its status can't have.
    pub(super) fn counted(&mut self, object: &ObjectRef) {
        for follower in self.followers.values_mut() {
            follower.objects.insert(object.clone());
            follower.wake.notify_one();
        }
    }

    /// How far a proxy is has changed, or whether it is connected.
    pub(super) fn proxy(&mut self, pod: &ObjectName) {
        for follower in self.followers.values_mut() {
            follower.proxies.insert(pod.clone());
            follower.wake.notify_one();
        }
    }

    /// Something has changed that every report says.
    pub(super) fn sequence(&self) {
        self.followers.values().for_each(|follower| follower.wake.notify_one());
    }

    /// A replica follows from now on. An older stream of the same one is over. `None`: there are too many.
    pub(super) fn follow(&mut self, replica: Arc<str>) -> Option<(FollowerId, Arc<Notify>, CancellationToken)> {
        self.followers.retain(|_, follower| {
            let other = follower.replica != replica;
            if !other {
                follower.replaced.cancel();
            }
            other
        });
        if self.followers.len() >= MAX_FOLLOWERS {
            return None;
        }
        let (id, wake, replaced) = (self.next, Arc::new(Notify::new()), CancellationToken::new());
        self.next += 1;
        let follower = Follower {
            replica,
            new: true,
            proxies: BTreeSet::new(),
            objects: BTreeSet::new(),
            sequence: 0,
            wake: wake.clone(),
            replaced: replaced.clone(),
        };
        self.followers.insert(id, follower);
        wake.notify_one();
        Some((id, wake, replaced))
    }

    pub(super) fn unfollow(&mut self, id: FollowerId) {
        self.followers.remove(&id);
    }

    pub(super) fn follower(&mut self, id: FollowerId) -> Option<&mut Follower> {
        self.followers.get_mut(&id)
    }
}
