//! Sets of field paths.

use std::collections::BTreeMap;

use super::path::Step;

/// A set of paths as a tree. A path is in the set when its node is a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) below: BTreeMap<Step, Entry>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) member: bool,
    pub(super) set: Set,
}

impl Entry {
    fn is_empty(&self) -> bool {
        !self.member && self.set.is_empty()
    }
}

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        self.below.is_empty()
    }

    /// How many paths are in the set.
    pub(super) fn len(&self) -> usize {
        self.below.values().map(|entry| usize::from(entry.member) + entry.set.len()).sum()
    }

    pub(super) fn insert(&mut self, path: &[Step]) {
        let Some((first, rest)) = path.split_first() else { return };
        let entry = self.below.entry(first.clone()).or_default();
        if rest.is_empty() {
            entry.member = true;
        } else {
            entry.set.insert(rest);
        }
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        for (step, entry) in &other.below {
            let mine = all.below.entry(step.clone()).or_default();
            mine.member |= entry.member;
            mine.set = mine.set.union(&entry.set);
        }
        all
    }

    fn combine(&self, other: &Self, member: fn(bool, bool) -> bool) -> Self {
        let none = Entry::default();
        let mut out = Self::default();
        for (step, entry) in &self.below {
            let theirs = other.below.get(step).unwrap_or(&none);
            let entry =
                Entry { member: member(entry.member, theirs.member), set: entry.set.combine(&theirs.set, member) };
            if !entry.is_empty() {
                out.below.insert(step.clone(), entry);
            }
        }
        out
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine && !theirs)
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine && theirs)
    }

    /// Without those paths of which `other` has the path itself or something below.
    pub(super) fn minus_touched(&self, other: &Self) -> Self {
        let mut out = Self::default();
        for (step, entry) in &self.below {
            let theirs = other.below.get(step);
            let entry = match theirs {
                None => entry.clone(),
                Some(theirs) => Entry { member: false, set: entry.set.minus_touched(&theirs.set) },
            };
            if !entry.is_empty() {
                out.below.insert(step.clone(), entry);
            }
        }
        out
    }

    /// Without the fields that name an object or that the server sets; nobody owns those.
    pub(super) fn without_identity(mut self) -> Self {
        const META: &[&str] = &[
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
        ];
        self.below.remove(&Step::field("apiVersion"));
        self.below.remove(&Step::field("kind"));
        let metadata = Step::field("metadata");
        if let Some(entry) = self.below.get_mut(&metadata) {
            entry.member = false;
            for name in META {
                entry.set.below.remove(&Step::field(name));
            }
            if entry.is_empty() {
                self.below.remove(&metadata);
            }
        }
        self
    }

    /// Each path as text, `.spec.x`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, prefix: &str, paths: &mut Vec<String>) {
        for (step, entry) in &self.below {
            let path = format!("{prefix}{step}");
            if entry.member {
                paths.push(path.clone());
            }
            entry.set.collect(&path, paths);
        }
    }
}
