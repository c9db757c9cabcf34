//! Proxies that come and go, what they subscribe to, and what they are sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use hyper::body::Bytes;
use isthmus_core::id::ObjectName;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Made, Registry, Resource, SessionId, telling};
use crate::serve::{
    effect::Stand,
    frames::{Frames, Kind},
    resource::Key,
    session::{MAX_SUBSCRIPTIONS, Session, Subscription},
};

/// A proxy asks for more than one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_SUBSCRIPTIONS} subscriptions")]
pub(crate) struct TooManySubscriptions;

impl Registry {
    /// A proxy has connected. An older session of the same pod is over.
    pub(crate) fn open(&mut self, pod: ObjectName) -> (SessionId, Arc<Notify>, CancellationToken) {
        let id = self.next_session;
        self.next_session += 1;
        if let Some(old) = self.by_pod.insert(pod.clone(), id) {
            if let Some(old) = self.sessions.get(&old) {
                old.replaced.cancel();
            }
            self.close(old);
        }
        let session = Session {
            pod,
            subscriptions: BTreeMap::new(),
            pending: BTreeSet::new(),
            wake: Arc::new(Notify::new()),
            replaced: CancellationToken::new(),
            leaf: None,
        };
        let parts = (id, session.wake.clone(), session.replaced.clone());
        self.effects.news.proxy(&session.pod);
        self.reseat(&session.pod.clone(), "".into());
        self.sessions.insert(id, session);
        parts
    }

    /// A proxy has gone. What only it wanted is forgotten.
    pub(crate) fn close(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if self.by_pod.get(&session.pod) == Some(&id) {
            self.by_pod.remove(&session.pod);
            self.effects.news.proxy(&session.pod);
            self.reseat(&session.pod, telling::proxy(&session).held);
        }
        for (key, subscription) in session.subscriptions {
            self.left(id, &key, &subscription);
        }
    }

    /// A proxy wants a key, and holds a version of it.
    pub(crate) fn subscribe(&mut self, id: SessionId, key: Key, held: String) -> Result<(), TooManySubscriptions> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if session.subscriptions.len() >= MAX_SUBSCRIPTIONS && !session.subscriptions.contains_key(&key) {
            return Err(TooManySubscriptions);
        }
        session.pending.insert(key.clone());
        session.wake.notify_one();
        let resource = self.resources.get_mut(&key);
        let objects = resource.as_ref().and_then(|resource| resource.objects());
        let now = Subscription::holding(held);
        let stand = Stand::of(objects, &now);
        let before = session.subscriptions.insert(key.clone(), now);
        let before = before.map(|before| Stand::of(objects, &before)).unwrap_or_default();
        self.effects.change(id, &key, &before, &stand);
        if key == Key::Bundles {
            self.effects.news.proxy(&session.pod);
        }
        match resource {
            Some(resource) => drop(resource.subscribers.insert(id)),
            None => {
                let subscribers = BTreeSet::from([id]);
                let resource = Resource { compiled: None, frames: Frames::default(), subscribers };
                self.resources.insert(key.clone(), resource);
                self.make(&key);
            }
        }
        Ok(())
    }

    /// A proxy doesn't want a key any more.
    pub(crate) fn unsubscribe(&mut self, id: SessionId, key: &Key) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.pending.remove(key);
        if let Some(subscription) = session.subscriptions.remove(key) {
            self.left(id, key, &subscription);
        }
    }

    /// A proxy has applied a version.
    pub(crate) fn ack(&mut self, id: SessionId, key: &Key, version: &str) {
        self.answered(id, key, |subscription| subscription.ack(version));
    }

    /// A proxy has refused a version.
    pub(crate) fn refuse(&mut self, id: SessionId, key: &Key, version: &str, reason: &str) {
        let Some(session) = self.sessions.get(&id) else { return };
        tracing::warn!(pod = %session.pod, ?key, version, reason, "a proxy refused what it was sent");
        self.answered(id, key, |subscription| subscription.refuse(version, reason));
    }

    /// A proxy has answered a message: what changed while it was busy with that is due.
    fn answered(&mut self, id: SessionId, key: &Key, take: impl FnOnce(&mut Subscription)) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(subscription) = session.subscriptions.get_mut(key) else { return };
        let compiled = self.resources.get(key).and_then(|resource| resource.compiled.as_ref());
        let objects = compiled.map(|compiled| &compiled.objects);
        let before = Stand::of(objects, subscription);
        take(subscription);
        self.effects.change(id, key, &before, &Stand::of(objects, subscription));
        if *key == Key::Bundles {
            self.effects.news.proxy(&session.pod);
        }
        if compiled.is_some_and(|compiled| subscription.is_due(compiled)) && session.pending.insert(key.clone()) {
            session.wake.notify_one();
        }
    }

    /// The next frame for a proxy, if there is one.
    pub(crate) fn next(&mut self, id: SessionId) -> Option<Bytes> {
        let session = self.sessions.get_mut(&id)?;
        while let Some(key) = session.pending.pop_first() {
            let Some(Resource { compiled: Some(compiled), frames, .. }) = self.resources.get_mut(&key) else {
                continue;
            };
            let Some(subscription) = session.subscriptions.get_mut(&key) else { continue };
            let before = Stand::of(Some(&compiled.objects), subscription);
            let next = subscription.next(&key, compiled, frames);
            self.work.encoded += std::mem::take(&mut frames.encoded);
            // A version that the proxy held already is in effect without an acknowledgement.
            self.effects.change(id, &key, &before, &Stand::of(Some(&compiled.objects), subscription));
            if key == Key::Bundles {
                self.effects.news.proxy(&session.pod);
            }
            let Some((frame, kind)) = next else { continue };
            match kind {
                Kind::Whole => self.work.whole += 1,
                Kind::Delta => self.work.delta += 1,
                Kind::Unchanged => self.work.unchanged += 1,
            }
            return Some(frame);
        }
        None
    }

    /// A subscription is over.
    fn left(&mut self, id: SessionId, key: &Key, subscription: &Subscription) {
        let Some(resource) = self.resources.get_mut(key) else { return };
        self.effects.change(id, key, &Stand::of(resource.objects(), subscription), &Stand::default());
        resource.subscribers.remove(&id);
        if resource.subscribers.is_empty() {
            self.resources.remove(key);
            self.made.remove(&Made::Resource(key.clone()));
        }
    }
}
