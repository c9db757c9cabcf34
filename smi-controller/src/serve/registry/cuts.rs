//! How many connections proxies have cut because a trust domain is trusted no more, by the change of the roots that said so.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use isthmus_core::id::TrustDomain;

use crate::serve::resource::{Compiled, Content};

/// Changes of the roots that are remembered.
const REMEMBERED: usize = 64;

/// What was cut, change by change.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    changes: VecDeque<Change>,
    newest: u64,
}

#[derive(Debug)]
struct Change {
    sequence: u64,
    /// Of the roots since then.
    version: Arc<str>,
    domains: BTreeSet<TrustDomain>,
    cut: u64,
}

impl Cuts {
    /// The roots that proxies are sent have changed.
    pub(super) fn changed(&mut self, version: Arc<str>, domains: BTreeSet<TrustDomain>) {
        self.newest += 1;
        self.changes.push_back(Change { sequence: self.newest, version, domains, cut: 0 });
        if self.changes.len() > REMEMBERED {
            self.changes.pop_front();
        }
    }

    /// A content was made, which may be the roots.
    pub(super) fn compiled(&mut self, now: &Compiled) {
        if let Content::Bundles(bundles) = &*now.content {
            self.changed(now.version.clone(), bundles.iter().map(|bundle| bundle.trust_domain.clone()).collect());
        }
    }

    /// A proxy has cut connections when it took this version over. Versions may come back: the newest change to it counts. `None`:
    /// it was a gateway, whose routes follow the newest change.
    pub(super) fn add(&mut self, version: Option<&str>, cut: u32) {
        let is_it = |change: &&mut Change| version.is_none_or(|version| *change.version == *version);
        if let Some(change) = self.changes.iter_mut().rev().find(is_it) {
            change.cut = change.cut.saturating_add(cut.into());
        }
    }

    /// The change that has left out a domain which was in before.
    pub(super) fn left_out(&self, domain: &TrustDomain) -> Option<u64> {
        let last_in = self.changes.iter().rposition(|change| change.domains.contains(domain))?;
        self.changes.get(last_in + 1).map(|change| change.sequence)
    }

    /// What was cut by a change and those after it, into which it may have come together for a proxy that was behind.
    pub(super) fn since(&self, sequence: u64) -> u64 {
        self.changes.iter().filter(|change| change.sequence >= sequence).map(|change| change.cut).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(name: &str) -> TrustDomain {
        TrustDomain::new(name).unwrap()
    }

    fn change(cuts: &mut Cuts, version: &str, domains: &[&str]) {
        cuts.changed(version.into(), domains.iter().copied().map(domain).collect());
    }

    #[test]
    fn cuts_count_for_the_change_that_left_a_domain_out_and_those_after_it() {
        let mut cuts = Cuts::default();
        change(&mut cuts, "both", &["east", "west"]);
        assert_eq!((cuts.left_out(&domain("west")), cuts.left_out(&domain("south"))), (None, None));
        change(&mut cuts, "one", &["east"]);
        cuts.add(Some("both"), 1);
        cuts.add(Some("one"), 20);
        cuts.add(Some("never sent"), 300);
        let first = cuts.left_out(&domain("west")).unwrap();
        assert_eq!(cuts.since(first), 20);
        // A proxy was behind: it had both until now.
        change(&mut cuts, "rotated", &["east"]);
        cuts.add(Some("rotated"), 4000);
        assert_eq!(cuts.left_out(&domain("west")), Some(first));
        assert_eq!(cuts.since(first), 4020);
        // It is let in once more, and left out again.
        change(&mut cuts, "both", &["east", "west"]);
        assert_eq!(cuts.left_out(&domain("west")), None);
        change(&mut cuts, "one", &["east"]);
        cuts.add(Some("one"), 5);
        assert_eq!(cuts.since(cuts.left_out(&domain("west")).unwrap()), 5);
        // A gateway has no version of the roots to name.
        cuts.add(None, 2);
        assert_eq!(cuts.since(cuts.left_out(&domain("west")).unwrap()), 7);
    }

    #[test]
    fn old_changes_are_forgotten() {
        let mut cuts = Cuts::default();
        change(&mut cuts, "first", &["east", "west"]);
        (0..REMEMBERED).for_each(|n| change(&mut cuts, &n.to_string(), &["east"]));
        assert_eq!((cuts.left_out(&domain("west")), cuts.changes.len()), (None, REMEMBERED));
    }
}
