//! Everything served, as one state without IO: what is known, what is subscribed to, and who has what.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use hyper::body::Bytes;
use isthmus_core::id::ObjectName;
use isthmus_identity::Bundle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::cuts::Cuts;
use super::{
    dependencies::Dependencies,
    effect::{Effects, Stand},
    frames::{Frames, Kind, Work},
    resource::{self, Compiled, Content, Key},
    session::{MAX_SUBSCRIPTIONS, Session, Subscription},
};
use crate::{
    compile::{self, Checked, Objects, Outlook, Reader},
    fault::{Kind as ObjectKind, ObjectRef},
    index::{Fact, Facts, Index, Update, seen::Seen},
};

mod cuts;
mod holds;
mod links;
mod others;
mod telling;
mod trust;

use self::others::Others;
pub(crate) use self::{
    links::Link,
    others::{Proxy, Replica, Report},
    trust::{Farewell, Standings},
};

/// Names a session within this process.
pub(crate) type SessionId = u64;

/// Something that is made from facts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Made {
    Resource(Key),
    Check(ObjectRef),
    Outlook,
}

/// What one key stands for, and who wants to know.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) compiled: Option<Compiled>,
    /// The messages that carry it.
    frames: Frames,
    subscribers: BTreeSet<SessionId>,
}

impl Resource {
    fn objects(&self) -> Option<&Arc<Objects>> {
        self.compiled.as_ref().map(|compiled| &compiled.objects)
    }
}

/// The whole state.
#[derive(Debug)]
pub(crate) struct Registry {
    index: Index,
    /// This mesh's own.
    bundles: Vec<Bundle>,
    /// The version of the roots that proxies are to have, once it was asked for.
    version_of_roots: OnceCell<Option<Arc<str>>>,
    cuts: Cuts,
    pub(super) resources: HashMap<Key, Resource>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    by_pod: HashMap<ObjectName, SessionId>,
    made: Dependencies<Made>,
    pub(super) checks: BTreeMap<ObjectRef, Checked>,
    pub(super) effects: Effects,
    pub(super) others: Others,
    links: BTreeMap<ObjectRef, Link>,
    outlook_changed: bool,
    work: Work,
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
            version_of_roots: OnceCell::new(),
            cuts: Cuts::default(),
            resources: HashMap::new(),
            sessions: BTreeMap::new(),
            by_pod: HashMap::new(),
            made: Dependencies::default(),
            checks: BTreeMap::new(),
            effects: Effects::default(),
            others: Others::default(),
            links: BTreeMap::new(),
            outlook_changed: false,
            work: Work::default(),
            next_session: 0,
        }
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Takes changes in and makes anew what depends on them, once for all of them.
    pub(crate) fn update(&mut self, updates: impl IntoIterator<Item = Update>) {
        let mut facts = Facts::new();
        for update in updates {
            self.index.update(update, &mut facts);
        }
        self.remake(facts);
    }

    /// Makes anew what depends on these.
    fn remake(&mut self, facts: Facts) {
        let mut touched = self.made.touched(&facts);
        if facts.contains(&Fact::Peers) {
            self.version_of_roots.take();
        }
        let own_namespace = Fact::Pods(self.index.settings.namespace.clone());
        if facts.contains(&own_namespace) {
            self.enlist();
        }
        for fact in facts {
            match fact {
                Fact::Object(object) => drop(touched.insert(Made::Check(object))),
                Fact::Pod(pod) if self.others.is_away(&pod) && !self.is_expected(&pod) => self.others.forget_away(&pod),
                _ => {}
            }
        }
        for made in touched {
            match made {
                Made::Resource(key) => self.make(&key),
                Made::Check(object) => self.check(object),
                // It is made when it is asked for.
                Made::Outlook => self.outlook_changed = true,
            }
        }
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

    /// What was done since the last call.
    pub(crate) fn take_work(&mut self) -> Work {
        std::mem::take(&mut self.work)
    }

    /// The objects whose status may have changed since the last call.
    pub(crate) fn take_unsettled(&mut self) -> BTreeSet<ObjectRef> {
        let mut unsettled = std::mem::take(&mut self.effects.news.unsettled);
        if std::mem::take(&mut self.others.shifted) {
            unsettled.extend(self.checks.keys().filter(|object| object.kind == ObjectKind::MeshPeer).cloned());
        }
        unsettled
    }

    /// Is there something that [`Self::take_unsettled`] would give?
    pub(crate) fn is_unsettled(&self) -> bool {
        !self.effects.news.unsettled.is_empty() || self.others.shifted
    }

    /// What other meshes are told, and what they have to do with this one. From now on it is told when this changes.
    pub(crate) fn outlook(&mut self) -> Outlook {
        let reader = Reader::new(&self.index);
        let outlook = compile::outlook(&reader);
        let (facts, _) = reader.into_parts();
        self.made.set(Made::Outlook, facts);
        self.outlook_changed = false;
        outlook
    }

    /// Would [`Self::outlook`] say something else than when it was asked last?
    pub(crate) fn has_other_outlook(&self) -> bool {
        self.outlook_changed
    }

    /// What the watches show of what the leader writes.
    pub(crate) fn seen(&self) -> &Seen {
        &self.index.seen
    }

    /// Every object: for a replica that has just become the one that writes.
    pub(crate) fn unsettle_all(&mut self) {
        self.effects.news.unsettled.extend(compile::all_objects(&self.index));
    }

    /// An object of which something else than proxies say is to be told.
    pub(crate) fn unsettle(&mut self, object: ObjectRef) {
        self.effects.news.unsettled.insert(object);
    }

    /// What a key stands for, if somebody has subscribed to it.
    pub(crate) fn content(&self, key: &Key) -> Option<Arc<Content>> {
        self.resources.get(key)?.compiled.as_ref().map(|compiled| compiled.content.clone())
    }

    /// The number of connected proxies.
    pub(crate) fn session_count(&self) -> usize {
        self.sessions.len()
    }

    fn make(&mut self, key: &Key) {
        self.work.made += 1;
        let (compiled, facts) = resource::compile(&self.index, &self.bundles, key);
        self.made.set(Made::Resource(key.clone()), facts);
        let (Some(resource), Some(now)) = (self.resources.get_mut(key), compiled) else { return };
        let same = resource.compiled.as_ref().is_some_and(|before| before.version == now.version);
        if same && resource.objects().is_some_and(|objects| *objects == now.objects) {
            return;
        }
        let before = resource.compiled.replace(now.clone());
        if !same {
            resource.frames = Frames::default();
            self.cuts.compiled(&now);
        }
        for id in &resource.subscribers {
            let Some(session) = self.sessions.get_mut(id) else { continue };
            let Some(subscription) = session.subscriptions.get_mut(key) else { continue };
            let stood = Stand::of(before.as_ref().map(|before| &before.objects), subscription);
            if same {
                subscription.relabel(&now);
            } else {
                session.pending.insert(key.clone());
                session.wake.notify_one();
            }
            self.effects.change(*id, key, &stood, &Stand::of(Some(&now.objects), subscription));
        }
    }

    fn check(&mut self, object: ObjectRef) {
        self.work.made += 1;
        let reader = Reader::new(&self.index);
        let checked = compile::check(&reader, &object);
        let (facts, _) = reader.into_parts();
        match checked {
            Some(checked) => {
                self.made.set(Made::Check(object.clone()), facts);
                // Of a peer more is counted than is checked: its bundle.
                self.effects.news.counted(&object);
                if self.checks.get(&object) != Some(&checked) {
                    self.checks.insert(object.clone(), checked);
                    self.effects.news.unsettled.insert(object);
                }
            }
            None => {
                self.made.remove(&Made::Check(object.clone()));
                self.checks.remove(&object);
                self.effects.news.object(&object);
            }
        }
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

#[cfg(test)]
mod counting;
#[cfg(test)]
mod property;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod tests;
