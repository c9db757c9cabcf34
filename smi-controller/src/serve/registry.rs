//! Everything served, as one state without IO: what is known, what is subscribed to, and who has what.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use isthmus_api::control::v1::ControllerMessage;
use isthmus_core::id::ObjectName;
use isthmus_identity::Bundle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    dependencies::Dependencies,
    resource::{self, Compiled, Key},
    session::{MAX_SUBSCRIPTIONS, Session, Subscription},
};
use crate::{
    compile::{self, Checked, Reader},
    fault::ObjectRef,
    index::{Fact, Facts, Index, Update},
};

/// Names a session within this process.
pub(crate) type SessionId = u64;

/// Something that is made from facts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Made {
    Resource(Key),
    Check(ObjectRef),
}

/// What one key stands for, and who wants to know.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) compiled: Option<Compiled>,
    pub(super) subscribers: BTreeSet<SessionId>,
}

/// The whole state.
#[derive(Debug)]
pub(crate) struct Registry {
    index: Index,
    bundles: Vec<Bundle>,
    pub(super) resources: HashMap<Key, Resource>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    by_pod: HashMap<ObjectName, SessionId>,
    made: Dependencies<Made>,
    pub(super) checks: BTreeMap<ObjectRef, Checked>,
    /// The resources that an object is, or lately was, in effect in.
    pub(super) users: HashMap<ObjectRef, BTreeSet<Key>>,
    /// Objects whose status may have changed since it was asked for last.
    unsettled: BTreeSet<ObjectRef>,
    next_session: SessionId,
}

/// A proxy asks for more than one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_SUBSCRIPTIONS} subscriptions")]
pub(crate) struct TooManySubscriptions;

impl Registry {
    pub(crate) fn new(index: Index, bundles: Vec<Bundle>) -> Self {
        Self {
            index,
            bundles,
            resources: HashMap::new(),
            sessions: BTreeMap::new(),
            by_pod: HashMap::new(),
            made: Dependencies::default(),
            checks: BTreeMap::new(),
            users: HashMap::new(),
            unsettled: BTreeSet::new(),
            next_session: 0,
        }
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Takes changes in and makes anew what depends on them, once for all of them. Gives the number of things made.
    pub(crate) fn update(&mut self, updates: impl IntoIterator<Item = Update>) -> usize {
        let mut facts = Facts::new();
        for update in updates {
            self.index.update(update, &mut facts);
        }
        let mut touched = self.made.touched(&facts);
        for fact in facts {
            if let Fact::Object(object) = fact {
                touched.insert(Made::Check(object));
            }
        }
        let count = touched.len();
        for made in touched {
            match made {
                Made::Resource(key) => self.make(&key),
                Made::Check(object) => self.check(object),
            }
        }
        count
    }

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
        };
        let parts = (id, session.wake.clone(), session.replaced.clone());
        self.sessions.insert(id, session);
        parts
    }

    /// A proxy has gone. What only it wanted is forgotten.
    pub(crate) fn close(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if self.by_pod.get(&session.pod) == Some(&id) {
            self.by_pod.remove(&session.pod);
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
        session.subscriptions.insert(key.clone(), Subscription::holding(held));
        session.pending.insert(key.clone());
        session.wake.notify_one();
        match self.resources.get_mut(&key) {
            Some(resource) => {
                resource.subscribers.insert(id);
                let objects = resource.compiled.as_ref().map(|c| c.objects.clone()).unwrap_or_default();
                self.unsettled.extend(objects.keys().cloned());
            }
            None => {
                let subscribers = BTreeSet::from([id]);
                self.resources.insert(key.clone(), Resource { compiled: None, subscribers });
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
        let subscription = self.sessions.get_mut(&id).and_then(|s| s.subscriptions.get_mut(key));
        let Some(subscription) = subscription else { return };
        let before: Vec<ObjectRef> = subscription.in_effect().into_iter().flatten().map(|(o, _)| o.clone()).collect();
        if subscription.ack(version) {
            let now = subscription.in_effect().into_iter().flatten().map(|(o, _)| o.clone());
            self.unsettled.extend(now);
            self.unsettled.extend(before);
        }
    }

    /// A proxy has refused a version.
    pub(crate) fn refuse(&mut self, id: SessionId, key: &Key, version: &str, reason: &str) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        tracing::warn!(pod = %session.pod, ?key, version, reason, "a proxy refused what it was sent");
        let Some(subscription) = session.subscriptions.get_mut(key) else { return };
        if subscription.refuse(version, reason) {
            session.pending.insert(key.clone());
            session.wake.notify_one();
        }
        if let Some(compiled) = self.resources.get(key).and_then(|r| r.compiled.as_ref()) {
            self.unsettled.extend(compiled.objects.keys().cloned());
        }
    }

    /// The next message for a proxy, if there is one.
    pub(crate) fn next(&mut self, id: SessionId) -> Option<ControllerMessage> {
        let session = self.sessions.get_mut(&id)?;
        while let Some(key) = session.pending.pop_first() {
            let compiled = self.resources.get(&key).and_then(|resource| resource.compiled.as_ref());
            let subscription = session.subscriptions.get_mut(&key);
            if let (Some(compiled), Some(subscription)) = (compiled, subscription)
                && let Some(message) = subscription.next(&key, compiled)
            {
                // A version that the proxy held already is in effect without an acknowledgement.
                self.unsettled.extend(subscription.in_effect().into_iter().flatten().map(|(o, _)| o.clone()));
                return Some(message);
            }
        }
        None
    }

    /// The objects whose status may have changed since the last call.
    pub(crate) fn take_unsettled(&mut self) -> BTreeSet<ObjectRef> {
        std::mem::take(&mut self.unsettled)
    }

    /// Is there something that [`Self::take_unsettled`] would give?
    pub(crate) fn is_unsettled(&self) -> bool {
        !self.unsettled.is_empty()
    }

    /// Every object: for a replica that has just become the one that writes.
    pub(crate) fn unsettle_all(&mut self) {
        self.unsettled.extend(compile::all_objects(&self.index));
    }

    /// The number of connected proxies.
    pub(crate) fn session_count(&self) -> usize {
        self.sessions.len()
    }

    fn make(&mut self, key: &Key) {
        let (compiled, facts) = resource::compile(&self.index, &self.bundles, key);
        self.made.set(Made::Resource(key.clone()), facts);
        let (Some(resource), Some(now)) = (self.resources.get_mut(key), compiled) else { return };
        let before = resource.compiled.replace(now.clone());
        for object in now.objects.keys() {
            self.users.entry(object.clone()).or_default().insert(key.clone());
        }
        self.unsettled.extend(now.objects.keys().cloned());
        self.unsettled.extend(before.iter().flat_map(|before| before.objects.keys().cloned()));
        let same = before.is_some_and(|before| before.version == now.version);
        for id in &resource.subscribers {
            let Some(session) = self.sessions.get_mut(id) else { continue };
            if same {
                if let Some(subscription) = session.subscriptions.get_mut(key) {
                    subscription.relabel(&now);
                }
            } else {
                session.pending.insert(key.clone());
                session.wake.notify_one();
            }
        }
    }

    fn check(&mut self, object: ObjectRef) {
        let reader = Reader::new(&self.index);
        let checked = compile::check(&reader, &object);
        let (facts, _) = reader.into_parts();
        match checked {
            Some(checked) => {
                self.made.set(Made::Check(object.clone()), facts);
                if self.checks.get(&object) != Some(&checked) {
                    self.checks.insert(object.clone(), checked);
                    self.unsettled.insert(object);
                }
            }
            None => {
                self.made.remove(&Made::Check(object.clone()));
                self.checks.remove(&object);
                self.unsettled.insert(object);
            }
        }
    }

    /// A subscription is over.
    fn left(&mut self, id: SessionId, key: &Key, subscription: &Subscription) {
        self.unsettled.extend(subscription.in_effect().into_iter().flatten().map(|(o, _)| o.clone()));
        let Some(resource) = self.resources.get_mut(key) else { return };
        if let Some(compiled) = &resource.compiled {
            self.unsettled.extend(compiled.objects.keys().cloned());
        }
        resource.subscribers.remove(&id);
        if resource.subscribers.is_empty() {
            self.resources.remove(key);
            self.made.remove(&Made::Resource(key.clone()));
        }
    }
}

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
