//! What this replica tells the others of the proxies that are connected to it.

use std::sync::Arc;

use isthmus_core::id::ObjectName;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    Key, Registry,
    others::{Proxy, Report},
};
use crate::serve::{news::FollowerId, session::Session};

impl Registry {
    /// Another replica follows: what says that there is something to tell, and what says that it follows anew.
    pub(crate) fn follow(&mut self, replica: &str) -> Option<(FollowerId, Arc<Notify>, CancellationToken)> {
        self.effects.news.follow(replica.into())
    }

    /// It doesn't any more.
    pub(crate) fn unfollow(&mut self, id: FollowerId) {
        self.effects.news.unfollow(id);
    }

    /// What is new to it, all of this moment. `None`: nothing.
    pub(crate) fn report(&mut self, id: FollowerId) -> Option<Report> {
        let sequence = self.sequence();
        let follower = self.effects.news.follower(id)?;
        let whole = std::mem::take(&mut follower.new);
        let (mut proxies, mut objects) = (std::mem::take(&mut follower.proxies), std::mem::take(&mut follower.objects));
        let news = whole || !proxies.is_empty() || !objects.is_empty() || follower.sequence != sequence;
        follower.sequence = sequence;
        if whole {
            proxies = self.by_pod.keys().cloned().collect();
            objects = self.checks.keys().cloned().collect();
        }
        let proxy = |pod: ObjectName| {
            let session = self.by_pod.get(&pod).and_then(|id| self.sessions.get(id));
            (pod, session.map(proxy))
        };
        news.then(|| Report {
            whole,
            sequence,
            proxies: proxies.into_iter().map(proxy).collect(),
            objects: objects.into_iter().map(|object| (object.clone(), self.count(&object))).collect(),
        })
    }

    /// Of this mesh's own bundle.
    fn sequence(&self) -> u64 {
        self.bundles.first().map_or(0, |bundle| bundle.sequence)
    }
}

/// How a connected proxy is with the roots.
pub(super) fn proxy(session: &Session) -> Proxy {
    let subscription = session.subscriptions.get(&Key::Bundles);
    let held = subscription.and_then(|subscription| subscription.version_in_effect());
    let refusal = subscription.and_then(|subscription| subscription.refusal());
    Proxy { held: held.unwrap_or_default().into(), leaf: session.leaf, refusal: refusal.map(str::to_owned) }
}
