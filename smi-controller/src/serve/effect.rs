//! Is an object in effect? That is for the proxies to say: an object is programmed when every proxy that it concerns
//! has acknowledged a content made from this generation of it.

use std::collections::BTreeSet;

use super::{
    registry::{Registry, SessionId},
    session::Session,
};
use crate::{compile::Checked, fault::ObjectRef};

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

impl Registry {
    /// What is known of an object, and how far it has come. `None`: there is no such object.
    pub(crate) fn state_of(&mut self, object: &ObjectRef) -> Option<(Checked, InEffect)> {
        let Some(checked) = self.checks.get(object).cloned() else {
            self.users.remove(object);
            return None;
        };
        let mut effect = InEffect::default();
        let mut concerned: BTreeSet<SessionId> = BTreeSet::new();
        let mut behind: BTreeSet<SessionId> = BTreeSet::new();
        let (resources, sessions) = (&self.resources, &self.sessions);
        if let Some(keys) = self.users.get_mut(object) {
            keys.retain(|key| {
                let Some(resource) = resources.get(key) else { return false };
                let wanted = resource.compiled.as_ref().and_then(|c| c.objects.get(object)).copied();
                let mut lingering = false;
                for id in &resource.subscribers {
                    let Some(subscription) = sessions.get(id).and_then(|s| s.subscriptions.get(key)) else { continue };
                    let has = subscription.in_effect().and_then(|objects| objects.get(object)).copied();
                    // What is no longer made of it must also have arrived as such.
                    if wanted.is_some() || has.is_some() {
                        concerned.insert(*id);
                        lingering |= wanted.is_none();
                    }
                    if wanted != has {
                        behind.insert(*id);
                        if let Some(reason) = subscription.refusal() {
                            effect.refused = Some((name_of(sessions.get(id)), reason.to_owned()));
                        }
                    }
                }
                wanted.is_some() || lingering
            });
        }
        effect.concerned = concerned.len();
        effect.programmed = concerned.difference(&behind).count();
        Some((checked, effect))
    }
}

fn name_of(session: Option<&Session>) -> String {
    session.map(|s| s.pod.to_string()).unwrap_or_default()
}
