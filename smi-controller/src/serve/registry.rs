//! Everything served, as one state without IO: what is known, what is subscribed to, and who has what.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use isthmus_core::id::ObjectName;
use isthmus_identity::Bundle;

use self::cuts::Cuts;
use super::{
    dependencies::Dependencies,
    effect::{Effects, Stand},
    frames::{Frames, Work},
    resource::{self, Compiled, Content, Key},
    session::Session,
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
mod sessions;
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
}

#[cfg(test)]
mod counting;
#[cfg(test)]
mod property;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod tests;
