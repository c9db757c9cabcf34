//! Splits that wait for their endpoints, as the registry sees them.

use std::collections::BTreeMap;

use isthmus_core::id::ObjectName;
use tokio::time::Instant;

use super::Registry;
use crate::{
    fault::{Kind, ObjectRef},
    index::{Facts, Look},
};

impl Registry {
    /// Everything is known: from now on a split that changes waits for its endpoints.
    pub(crate) fn begin_holding(&mut self) {
        self.index.begin_holding();
    }

    /// Lets go what need not wait, or no longer. Says when to ask again, if nothing happens until then.
    pub(crate) fn settle(&mut self, now: Instant) -> Option<Instant> {
        let mut facts = Facts::new();
        let settled = self.index.settle(now, &mut facts);
        self.work.agreed += settled.agreed;
        self.work.expired += settled.expired;
        self.remake(facts);
        for split in &settled.released {
            self.effects.news.object(split);
        }
        settled.next
    }

    /// Is there something that [`Self::take_looks`] would give?
    pub(crate) fn is_look_due(&self) -> bool {
        self.index.is_look_due()
    }

    /// Which Services are to be looked at.
    pub(crate) fn take_looks(&mut self) -> Vec<Look> {
        self.index.take_looks()
    }

    /// What a look has found.
    pub(crate) fn looked(&mut self, look: &Look, seen: BTreeMap<ObjectName, Option<u64>>) {
        self.index.looked(look, seen);
    }

    /// The Service that an object waits for.
    pub(in crate::serve) fn held_for(&self, object: &ObjectRef) -> Option<&ObjectName> {
        if object.kind == Kind::TrafficSplit { self.index.split_waits_for(&object.name) } else { None }
    }

    /// The generation that is in effect while it waits.
    pub(in crate::serve) fn held_at(&self, object: &ObjectRef) -> Option<i64> {
        if object.kind == Kind::TrafficSplit { self.index.generation_meanwhile(&object.name) } else { None }
    }
}
