//! Splits that wait for their endpoints. Who writes a split and a Service together (Argo Rollouts: the stable Service's selector, then
//! the weights) has them arrive by two watches, and the endpoints by a third when another controller has worked them out. A
//! split that were in effect before them would send its new weights to the old pods. So what was in effect stays until then.

use std::{collections::BTreeMap, time::Duration};

use isthmus_core::id::ObjectName;
use tokio::time::Instant;

use super::{Fact, Facts, Object, Split};

/// Longest time that a split waits.
pub(crate) const HOLD: Duration = Duration::from_secs(5);

/// The roots whose split waits.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    /// Before everything is known once there is nothing that could stay in effect.
    on: bool,
    held: BTreeMap<ObjectName, Held>,
    /// Roots whose split has waited long enough, and for which Service.
    outwaited: BTreeMap<ObjectName, ObjectName>,
    tickets: u64,
}

/// One that waits.
#[derive(Debug)]
pub(super) struct Held {
    /// What is in effect meanwhile.
    pub(super) before: Option<Object<Split>>,
    /// Names this writing of the split, so that a look which was for another isn't taken for its own.
    ticket: u64,
    asked: bool,
    /// The versions that its Services have had since it was written. `None`: nobody has looked yet.
    pub(super) seen: Option<BTreeMap<ObjectName, Option<u64>>>,
    /// From the first time that it was looked at with a clock.
    until: Option<Instant>,
}

impl Holds {
    /// From now on splits wait.
    pub(super) fn begin(&mut self) {
        self.on = true;
    }

    pub(super) fn in_force<'a>(
        &'a self,
        root: &ObjectName,
        now: Option<&'a Object<Split>>,
    ) -> Option<&'a Object<Split>> {
        self.held.get(root).map_or(now, |held| held.before.as_ref())
    }

    /// The split that counts for a root was `before`, and is another now.
    pub(super) fn change(
        &mut self,
        root: &ObjectName,
        before: Option<Object<Split>>,
        now: Option<&Object<Split>>,
        facts: &mut Facts,
    ) {
        if before.as_ref() == now {
            return;
        }
        self.caught_up(root, facts);
        self.tickets += 1;
        let ticket = self.tickets;
        let before = match self.held.remove(root) {
            Some(held) => held.before,
            None => before,
        };
        // Also one that says what is in effect already: its Services may have changed with it.
        if self.on {
            self.held.insert(root.clone(), Held { before, ticket, asked: false, seen: None, until: None });
        } else {
            facts.insert(Fact::InForce(root.clone()));
        }
    }

    pub(super) fn roots(&self) -> Vec<ObjectName> {
        self.held.keys().cloned().collect()
    }

    pub(super) fn held(&self, root: &ObjectName) -> Option<&Held> {
        self.held.get(root)
    }

    /// Until when it waits; from `now` on, if nobody has asked before.
    pub(super) fn until(&mut self, root: &ObjectName, now: Instant) -> Option<Instant> {
        self.held.get_mut(root).map(|held| *held.until.get_or_insert(now + HOLD))
    }

    /// It doesn't wait any longer: its endpoints are there, or those of this Service still aren't.
    pub(super) fn release(&mut self, root: &ObjectName, outwaited: Option<ObjectName>, facts: &mut Facts) {
        self.held.remove(root);
        facts.insert(Fact::InForce(root.clone()));
        if let Some(service) = outwaited {
            self.outwaited.insert(root.clone(), service);
            facts.insert(Fact::Outwaited(root.clone()));
        }
    }

    /// The roots that have waited in vain.
    pub(super) fn outwaited(&self) -> &BTreeMap<ObjectName, ObjectName> {
        &self.outwaited
    }

    pub(super) fn caught_up(&mut self, root: &ObjectName, facts: &mut Facts) {
        if self.outwaited.remove(root).is_some() {
            facts.insert(Fact::Outwaited(root.clone()));
        }
    }

    pub(super) fn is_look_due(&self) -> bool {
        self.held.values().any(|held| !held.asked)
    }

    /// Roots to be looked at, each once.
    pub(super) fn take_due(&mut self) -> Vec<(ObjectName, u64)> {
        let due = self.held.iter_mut().filter(|(_, held)| !held.asked);
        let take = |(root, held): (&ObjectName, &mut Held)| {
            held.asked = true;
            (root.clone(), held.ticket)
        };
        due.map(take).collect()
    }

    pub(super) fn looked(&mut self, root: &ObjectName, ticket: u64, seen: BTreeMap<ObjectName, Option<u64>>) {
        if let Some(held) = self.held.get_mut(root).filter(|held| held.ticket == ticket) {
            held.seen = Some(seen);
        }
    }
}
