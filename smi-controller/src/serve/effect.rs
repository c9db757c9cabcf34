//! Is an object in effect? That is for the proxies to say: an object is programmed when every proxy that it concerns
//! has acknowledged a content made from this generation of it. It is counted as subscriptions, contents and
//! acknowledgements change, so that each costs what it concerns, and asking costs nothing. Here those are counted that are
//! connected to this replica; [`super::count`] adds what the others say.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use isthmus_identity::HeldBundle;

use super::{
    count::{self, Count, InEffect, Stamp},
    news::News,
    registry::{Registry, SessionId},
    resource::Key,
    session::Subscription,
};
use crate::{
    compile::{Checked, Objects},
    fault::{Kind, ObjectRef},
};

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
    pub(super) news: News,
}

/// Of one object.
#[derive(Debug, Default)]
struct Progress {
    /// The proxies concerned: by how many of their subscriptions, and how many of those are behind.
    sessions: HashMap<SessionId, (u32, u32)>,
    /// The proxies that are behind.
    behind: BTreeSet<SessionId>,
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
            self.news.object(object);
            if let Some(progress) = self.objects.get_mut(object) {
                progress.leave(id, key, behind);
                if progress.sessions.is_empty() {
                    self.objects.remove(object);
                }
            }
        }
        for (object, behind) in now.objects() {
            self.news.object(object);
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
            self.behind.insert(id);
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
            if *late == 0 {
                self.behind.remove(&id);
            }
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
        let own = self.count(object)?;
        let away = self.away(object, &own.stamp);
        let mut sum = count::sum(&own, self.others.say(object), away.as_ref(), self.others.twice());
        if let Some(service) = self.held_for(object) {
            sum.unknown = Some(format!("the endpoints of Service {service}, which aren't those that it selects yet"));
        }
        Some((checked, sum))
    }

    /// What is counted of it among the proxies that are connected here.
    pub(super) fn count(&self, object: &ObjectRef) -> Option<Count> {
        let checked = self.checks.get(object)?;
        let peer = (object.kind == Kind::MeshPeer).then(|| self.index().peers.get(&object.name)).flatten();
        let meanwhile = self.held_at(object);
        let stamp = Stamp {
            uid: checked.uid.clone(),
            // Other replicas may have let it go already: what is counted here isn't of that writing.
            generation: meanwhile.unwrap_or(checked.generation),
            bundle: peer.and_then(|peer| peer.content.bundle.as_ref()).map_or(0, HeldBundle::sequence),
            leaving: peer.is_some_and(|peer| peer.content.leaving),
        };
        let cut = peer
            .filter(|peer| peer.content.leaving)
            .and_then(|peer| self.left_out(peer.content.trust_domain.as_ref()?));
        let cut = cut.map_or(0, |change| self.cut(change));
        let Some(progress) = self.effects.objects.get(object) else {
            return Some(Count { stamp, concerned: 0, programmed: 0, behind: None, refused: None, cut });
        };
        let pod = |id: &SessionId| Some(self.sessions.get(id)?.pod.to_string());
        let refusal = |(id, key): &(SessionId, Key)| {
            let refusal = self.sessions.get(id)?.subscriptions.get(key)?.refusal()?;
            Some((pod(id)?, refusal.to_owned()))
        };
        let concerned = progress.sessions.len();
        Some(Count {
            stamp,
            concerned,
            programmed: if meanwhile.is_some() { 0 } else { concerned - progress.behind.len() },
            behind: progress.behind.iter().find_map(pod),
            refused: progress.refused.iter().find_map(refusal),
            cut,
        })
    }
}
