//! Are the endpoints of a split's Services those that the Services imply? Decided from what the watches have shown.

use std::collections::{BTreeMap, BTreeSet};

use isthmus_core::id::ObjectName;
use tokio::time::Instant;

use super::{Exposure, Facts, Index, Object, Pod, Service, Split};
use crate::fault::{Kind, ObjectRef};

/// A look at the API server that is due: which versions have these Services?
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) root: ObjectName,
    pub(crate) ticket: u64,
    pub(crate) services: BTreeSet<ObjectName>,
}

/// What became of splits that waited.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The splits that are in effect now.
    pub(crate) released: BTreeSet<ObjectRef>,
    /// How many because their endpoints are there, and how many although they aren't.
    pub(crate) agreed: u64,
    pub(crate) expired: u64,
    /// When the next one has waited long enough.
    pub(crate) next: Option<Instant>,
}

impl Index {
    /// Everything is known: from now on splits wait for their endpoints.
    pub(crate) fn begin_holding(&mut self) {
        self.splits.holds.begin();
    }

    /// Lets the splits go whose endpoints are there, and those that have waited long enough.
    pub(crate) fn settle(&mut self, now: Instant, facts: &mut Facts) -> Settled {
        let mut settled = Settled::default();
        for root in self.splits.holds.roots() {
            let waits = self.waits_for(&root).cloned();
            let until = self.splits.holds.until(&root, now);
            if waits.is_some() && until.is_some_and(|until| until > now) {
                settled.next = settled.next.into_iter().chain(until).min();
                continue;
            }
            let split = self.splits.of_root(&root).next().map(|split| split.name.clone());
            settled.released.extend(split.map(|name| ObjectRef { kind: Kind::TrafficSplit, name }));
            match &waits {
                None => settled.agreed += 1,
                Some(_) => settled.expired += 1,
            }
            self.splits.holds.release(&root, waits, facts);
        }
        let late: Vec<ObjectName> = self.splits.holds.outwaited().keys().cloned().collect();
        for root in late {
            if self.behind(&root).is_none() {
                self.splits.holds.caught_up(&root, facts);
            }
        }
        settled
    }

    /// The Service that the split of a root waits for.
    fn waits_for<'a>(&'a self, root: &'a ObjectName) -> Option<&'a ObjectName> {
        let held = self.splits.holds.held(root)?;
        let services = self.splits_services(root);
        let is_seen = |name: &ObjectName| {
            let version = held.seen.as_ref().and_then(|seen| seen.get(name));
            version.is_some_and(|version| self.services.is_seen(name, *version))
        };
        services.into_iter().find(|name| !is_seen(name)).or_else(|| self.behind(root))
    }

    /// The Service for whose endpoints a split waits, if it does.
    pub(crate) fn split_waits_for(&self, split: &ObjectName) -> Option<&ObjectName> {
        self.waits_for(self.held_root(split)?)
    }

    /// The generation of a split that is in effect while it waits; 0 where another split is, or none. `None`: it doesn't wait.
    pub(crate) fn generation_meanwhile(&self, split: &ObjectName) -> Option<i64> {
        let held = self.splits.holds.held(self.held_root(split)?)?;
        let same = held.before.as_ref().filter(|before| before.name == *split);
        Some(same.map_or(0, |before| before.generation))
    }

    fn held_root(&self, split: &ObjectName) -> Option<&ObjectName> {
        let root = self.splits.get(split)?.content.root.as_ref()?;
        let counts = self.splits.of_root(root).next().is_some_and(|first| first.name == *split);
        (counts && self.splits.holds.held(root).is_some()).then_some(root)
    }

    /// The Service for whose endpoints the split of a root didn't wait any longer.
    pub(crate) fn outwaited(&self, root: &ObjectName) -> Option<&ObjectName> {
        self.splits.holds.outwaited().get(root)
    }

    pub(crate) fn is_look_due(&self) -> bool {
        self.splits.holds.is_look_due()
    }

    /// What is to be looked at, each once.
    pub(crate) fn take_looks(&mut self) -> Vec<Look> {
        let due = self.splits.holds.take_due();
        let look = |(root, ticket): (ObjectName, u64)| {
            let services = self.splits_services(&root).into_iter().cloned().collect();
            Look { root, ticket, services }
        };
        due.into_iter().map(look).collect()
    }

    /// What a look has found: `None` where there is no such Service.
    pub(crate) fn looked(&mut self, look: &Look, seen: BTreeMap<ObjectName, Option<u64>>) {
        self.splits.holds.looked(&look.root, look.ticket, seen);
    }

    /// Those whose endpoints matter for the split of a root: a backend without weight gets nothing.
    fn splits_services<'a>(&'a self, root: &'a ObjectName) -> BTreeSet<&'a ObjectName> {
        let Some(split) = self.splits.of_root(root).next() else {
            // It is gone, and the root's own endpoints are all there is.
            return BTreeSet::from([root]);
        };
        let Object { content: Split { root, backends, .. }, .. } = split;
        let backends = backends.iter().filter(|backend| backend.weight > 0).map(|backend| &backend.service);
        root.iter().chain(backends).collect()
    }

    /// A Service of a root's split whose slices don't list the pods that it selects.
    fn behind<'a>(&'a self, root: &'a ObjectName) -> Option<&'a ObjectName> {
        let services = self.splits_services(root).into_iter().filter_map(|name| self.services.get(name));
        services.map(|service| (service, self.lists_its_pods(service))).find(|(_, does)| !does).map(|(s, _)| &s.name)
    }

    /// Every pod that is listed is one of those; and if there are some, some are listed. Of a rollout in which pods come and go
    /// all the time nothing more can be asked for: none of another version is enough.
    fn lists_its_pods(&self, service: &Service) -> bool {
        if !service.selects() || service.exposure == Exposure::External {
            return true;
        }
        let selected = |pod: &Pod| service.selector.iter().all(|(label, value)| pod.labels.get(label) == Some(value));
        let mut slices = self.slices.of_service(&service.name).peekable();
        if slices.peek().is_none() {
            return false;
        }
        let mut listed = slices.flat_map(|slice| &slice.pods).peekable();
        if listed.peek().is_none() {
            let mut pods = self.pods.in_namespace(&service.name.namespace);
            return !pods.any(|pod| !pod.addresses.is_empty() && selected(pod));
        }
        listed.all(|name| self.pods.get(name).is_some_and(selected))
    }
}

#[cfg(test)]
mod tests;
