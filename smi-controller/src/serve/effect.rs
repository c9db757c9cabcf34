//! Is an object in effect? That is for the proxies to say: an object is programmed when every proxy that it concerns
//! has acknowledged a content made from this generation of it. It is counted as subscriptions, contents and
//! acknowledgements change, so that each costs what it concerns, and asking costs nothing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    registry::{Registry, SessionId},
    resource::Key,
    session::Subscription,
};
use crate::{
    compile::{Checked, Objects},
    fault::ObjectRef,
};

/// How far an object has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct InEffect {
    /// Proxies that it concerns.
    pub(crate) concerned: usize,
    /// Those of them that have it in effect in its present generation.
    pub(crate) programmed: usize,
    /// A proxy that refused it, and why.
    pub(crate) refused: Option<(String, String)>,
}

impl InEffect {
    /// Acknowledgements are still to come.
    pub(crate) fn is_pending(&self) -> bool {
        self.programmed < self.concerned && self.refused.is_none()
    }
}

/// What one subscription says of objects: those that its content is made of now, and those in effect at the proxy.
#[derive(Debug, Clone, Default)]
pub(super) struct Stand {
    wanted: Option<Arc<Objects>>,
    has: Option<Arc<Objects>>,
    refused: bool,
}

impl Stand {
    pub(super) fn of(wanted: Option<&Arc<Objects>>, subscription: &Subscription) -> Self {
        Self {
            wanted: wanted.cloned(),
            has: subscription.in_effect().cloned(),
            refused: subscription.refusal().is_some(),
        }
    }

    fn is(&self, other: &Self) -> bool {
        let same = |a: &Option<Arc<Objects>>, b: &Option<Arc<Objects>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        self.refused == other.refused && same(&self.wanted, &other.wanted) && same(&self.has, &other.has)
    }

    /// The objects concerned, and whether the proxy is behind in each. What is no longer made of an object must also
    /// have arrived as such.
    fn objects(&self) -> impl Iterator<Item = (&ObjectRef, bool)> {
        let (wanted, has) = (self.wanted.as_deref(), self.has.as_deref());
        let lingering = has.into_iter().flat_map(|objects| objects.keys());
        let lingering = lingering.filter(move |object| !wanted.is_some_and(|objects| objects.contains_key(*object)));
        let wanted = wanted.into_iter().flat_map(|objects| objects.iter());
        let wanted = wanted
            .map(move |(object, revision)| (object, has.and_then(|objects| objects.get(object)) != Some(revision)));
        wanted.chain(lingering.map(|object| (object, true)))
    }
}

/// Counts of all objects.
#[derive(Debug, Default)]
pub(super) struct Effects {
    objects: HashMap<ObjectRef, Progress>,
    /// Objects whose status may have changed since it was asked for last.
    pub(super) unsettled: BTreeSet<ObjectRef>,
}

/// Of one object.
#[derive(Debug, Default)]
struct Progress {
    /// The proxies concerned: by how many of their subscriptions, and how many of those are behind.
    sessions: HashMap<SessionId, (u32, u32)>,
    /// How many of the proxies are behind.
    behind: usize,
    /// The subscriptions that are behind because the proxy refused.
    refused: BTreeSet<(SessionId, Key)>,
}

impl Effects {
    /// A subscription says something else now.
    pub(super) fn change(&mut self, id: SessionId, key: &Key, before: &Stand, now: &Stand) {
        if before.is(now) {
            return;
        }
        for (object, behind) in before.objects() {
            self.unsettled.insert(object.clone());
            if let Some(progress) = self.objects.get_mut(object) {
                progress.leave(id, key, behind);
                if progress.sessions.is_empty() {
                    self.objects.remove(object);
                }
            }
        }
        for (object, behind) in now.objects() {
            self.unsettled.insert(object.clone());
            let progress = self.objects.entry(object.clone()).or_default();
            progress.enter(id, behind);
            if behind && now.refused {
                progress.refused.insert((id, key.clone()));
            }
        }
    }
}

#[cfg(test)]
impl Effects {
    /// Is nothing counted?
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

impl Progress {
    fn enter(&mut self, id: SessionId, behind: bool) {
        let (keys, late) = self.sessions.entry(id).or_default();
        *keys += 1;
        if behind {
            *late += 1;
            self.behind += usize::from(*late == 1);
        }
    }

    fn leave(&mut self, id: SessionId, key: &Key, behind: bool) {
        if !self.refused.is_empty() {
            self.refused.remove(&(id, key.clone()));
        }
        let Some((keys, late)) = self.sessions.get_mut(&id) else { return };
        *keys -= 1;
        if behind {
            *late -= 1;
            self.behind -= usize::from(*late == 0);
        }
        if *keys == 0 {
            self.sessions.remove(&id);
        }
    }
}

impl Registry {
    /// What is known of an object, and how far it has come. `None`: there is no such object.
    pub(crate) fn state_of(&self, object: &ObjectRef) -> Option<(Checked, InEffect)> {
        let checked = self.checks.get(object)?.clone();
        let Some(progress) = self.effects.objects.get(object) else { return Some((checked, InEffect::default())) };
        let refusal = |(id, key): &(SessionId, Key)| {
            let session = self.sessions.get(id)?;
            Some((session.pod.to_string(), session.subscriptions.get(key)?.refusal()?.to_owned()))
        };
        let concerned = progress.sessions.len();
        Some((
            checked,
            InEffect {
                concerned,
                programmed: concerned - progress.behind,
                refused: progress.refused.iter().find_map(refusal),
            },
        ))
    }
}
