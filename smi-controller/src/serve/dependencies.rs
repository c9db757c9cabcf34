//! Who has to be made anew when a fact changes.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::Hash,
};

use crate::index::{Fact, Facts};

/// Facts to those that have read them, and back.
#[derive(Debug)]
pub(crate) struct Dependencies<D> {
    readers: HashMap<Fact, HashSet<D>>,
    read: HashMap<D, Facts>,
}

impl<D> Default for Dependencies<D> {
    fn default() -> Self {
        Self { readers: HashMap::new(), read: HashMap::new() }
    }
}

impl<D: Clone + Eq + Hash + Ord> Dependencies<D> {
    /// `dependant` has read exactly these facts.
    pub(crate) fn set(&mut self, dependant: D, facts: Facts) {
        if self.read.get(&dependant) == Some(&facts) {
            return;
        }
        self.remove(&dependant);
        for fact in &facts {
            self.readers.entry(fact.clone()).or_default().insert(dependant.clone());
        }
        self.read.insert(dependant, facts);
    }

    /// `dependant` is no more.
    pub(crate) fn remove(&mut self, dependant: &D) {
        for fact in self.read.remove(dependant).into_iter().flatten() {
            if let Some(readers) = self.readers.get_mut(&fact) {
                readers.remove(dependant);
                if readers.is_empty() {
                    self.readers.remove(&fact);
                }
            }
        }
    }

    /// Those that have read any of these.
    pub(crate) fn touched(&self, facts: &Facts) -> BTreeSet<D> {
        facts.iter().filter_map(|fact| self.readers.get(fact)).flatten().cloned().collect()
    }
}
