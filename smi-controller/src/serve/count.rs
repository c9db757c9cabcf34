//! How far an object has come: what each replica counts among the proxies connected to it, and the sum, which is never ahead
//! of any proxy. Pure functions of counts.

use std::{collections::BTreeMap, sync::Arc};

use isthmus_core::id::ObjectName;

/// Which writing of an object is spoken of. Replicas learn of one after another, and counts of different writings say nothing together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) uid: Arc<str>,
    pub(crate) generation: i64,
    /// Of a peer: the sequence of its bundle, which changes in the status. 0: none is held.
    pub(crate) bundle: u64,
    /// Of a peer: is it being revoked?
    pub(crate) leaving: bool,
}

/// What one replica counts of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) stamp: Stamp,
    /// Proxies that it concerns.
    pub(crate) concerned: usize,
    /// Those of them that have this writing in effect.
    pub(crate) programmed: usize,
    /// The pod of one that hasn't.
    pub(crate) behind: Option<String>,
    /// A proxy that refused it, and why.
    pub(crate) refused: Option<(String, String)>,
    /// Of a peer that is being revoked: connections that were cut.
    pub(crate) cut: u64,
}

/// What another replica has to say of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) replica: &'a str,
    /// Has it said anything at all?
    pub(crate) heard: bool,
    pub(crate) count: Option<&'a Count>,
}

/// How far an object has come at all proxies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct InEffect {
    /// Proxies that it concerns.
    pub(crate) concerned: usize,
    /// Those of them that have it in effect in its present generation.
    pub(crate) programmed: usize,
    /// The pod of one that hasn't.
    pub(crate) behind: Option<String>,
    /// A proxy that refused it, and why.
    pub(crate) refused: Option<(String, String)>,
    /// What has to be known before this is all: there may be other proxies.
    pub(crate) unknown: Option<String>,
    /// Of a peer that is being revoked: connections that were cut.
    pub(crate) cut: u64,
}

impl InEffect {
    /// Acknowledgements are still to come.
    pub(crate) fn is_pending(&self) -> bool {
        !self.is_complete() && self.refused.is_none()
    }

    /// Every proxy has it.
    pub(crate) fn is_complete(&self) -> bool {
        self.programmed == self.concerned && self.unknown.is_none()
    }
}

/// Sums up what is counted here, what other replicas say, and `away`: proxies that have left and hold what they held.
///
/// A replica that hasn't been heard, or speaks of another writing, makes the sum unknown. `twice`: proxies that more than one
/// replica counts at present, because they have just gone from one to another, and how often they are counted too much; they
/// count once, and until it has been noticed that they are gone, nothing is certain.
pub(crate) fn sum<'a>(
    own: &Count,
    others: impl IntoIterator<Item = Said<'a>>,
    away: Option<&Count>,
    twice: &BTreeMap<ObjectName, usize>,
) -> InEffect {
    let mut sum = InEffect::default();
    sum.add(own);
    for Said { replica, heard, count } in others {
        match count.filter(|count| heard && count.stamp == own.stamp) {
            Some(count) => sum.add(count),
            None if heard => sum.miss(|| format!("replica {replica} to learn of it")),
            None => sum.miss(|| format!("replica {replica} to say who is connected to it")),
        }
    }
    if let Some(away) = away {
        sum.add(away);
    }
    if let Some((pod, _)) = twice.first_key_value() {
        let surplus: usize = twice.values().sum();
        sum.concerned = sum.concerned.saturating_sub(surplus);
        sum.programmed = sum.programmed.saturating_sub(surplus);
        sum.miss(|| format!("the proxy of {pod}, which is going from one replica to another"));
    }
    sum
}

impl InEffect {
    fn add(&mut self, count: &Count) {
        self.concerned = self.concerned.saturating_add(count.concerned);
        self.programmed = self.programmed.saturating_add(count.programmed);
        self.cut = self.cut.saturating_add(count.cut);
        self.behind = self.behind.take().or_else(|| count.behind.clone());
        self.refused = self.refused.take().or_else(|| count.refused.clone());
    }

    fn miss(&mut self, what: impl FnOnce() -> String) {
        self.unknown.get_or_insert_with(what);
    }
}

#[cfg(test)]
mod tests;
