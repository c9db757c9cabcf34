//! All edges of the process.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use isthmus_core::telemetry::Workload;
use isthmus_identity::{SvidCell, peer_workload};
use prometheus::IntCounter;

use super::{Counts, Edge, Key, Protocol, gone::Gone};
use crate::{
    limits::{EDGE_IDLE, EDGE_SERVICES},
    metrics::Direction,
};

/// The edges, by what tells them apart. Locked to find one, never while anything is counted.
#[derive(Debug)]
pub(crate) struct Edges {
    /// Most edges; 0: nothing is counted.
    cap: usize,
    state: Mutex<State>,
    folded: IntCounter,
    own: Workload,
    svid: Arc<SvidCell>,
}

#[derive(Debug, Default)]
struct State {
    edges: HashMap<Key, Arc<Edge>>,
    others: HashMap<(Direction, Protocol), Arc<Edge>>,
    services: HashSet<Arc<str>>,
    gone: Gone,
}

impl Edges {
    /// `own` is what is known of the workload without its certificate; `folded` counts how often an edge had no place of its own.
    pub(crate) fn new(cap: usize, own: Workload, svid: Arc<SvidCell>, folded: IntCounter) -> Self {
        Self { cap, state: Mutex::default(), folded, own, svid }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is anything counted?
    pub(crate) fn is_on(&self) -> bool {
        self.cap > 0
    }

    /// The proxy's own workload, as its certificate says.
    pub(crate) fn own(&self) -> Workload {
        self.svid.get().and_then(|svid| peer_workload(svid.chain())).unwrap_or_else(|| self.own.clone())
    }

    /// The namespace of the own workload.
    pub(super) fn namespace(&self) -> &str {
        &self.own.namespace
    }

    /// The one edge of a key, or beyond the cap the one of all others.
    pub(crate) fn find(&self, key: Key) -> Arc<Edge> {
        let mut state = self.state();
        if let Some(edge) = state.edges.get(&key) {
            return Arc::clone(edge);
        }
        if state.edges.len() >= self.cap {
            self.folded.inc();
            let kind = (key.direction, key.protocol);
            let other = || Edge::new(Key::other(key.direction, key.protocol), true);
            return Arc::clone(state.others.entry(kind).or_insert_with(other));
        }
        let edge = Edge::new(key.clone(), false);
        state.edges.insert(key, Arc::clone(&edge));
        edge
    }

    /// A Service's name that a caller has called by: as it is, for as many as fit.
    pub(crate) fn service(&self, name: &str) -> Arc<str> {
        let mut state = self.state();
        if let Some(known) = state.services.get(name) {
            return Arc::clone(known);
        }
        if state.services.len() >= EDGE_SERVICES {
            return super::OTHER.into();
        }
        let name: Arc<str> = name.into();
        state.services.insert(Arc::clone(&name));
        name
    }

    /// All edges, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Edge>> {
        let state = self.state();
        state.edges.values().chain(state.others.values()).cloned().collect()
    }

    /// The same, and what those had counted that were let go: at one moment, so that nothing is in both.
    pub(crate) fn all_and_gone(&self) -> (Vec<Arc<Edge>>, Vec<(Key, Counts)>) {
        let state = self.state();
        (state.edges.values().chain(state.others.values()).cloned().collect(), state.gone.all())
    }

    /// Lets go of those that nobody holds and nothing has happened on for long.
    pub(crate) fn sweep(&self, now: Instant) {
        for edge in self.all() {
            let activity = edge.read().activity();
            edge.told.lock().unwrap_or_else(PoisonError::into_inner).saw(activity, now);
        }
        let idle = |edge: &Arc<Edge>| {
            let told = edge.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.since(now) >= EDGE_IDLE
        };
        // Under the lock: whoever has no handle can't get one meanwhile.
        let State { edges, gone, .. } = &mut *self.state();
        edges.retain(|_, edge| {
            let stays = Arc::strong_count(edge) > 1 || !idle(edge);
            if !stays {
                gone.take(edge);
            }
            stays
        });
    }
}

#[cfg(test)]
pub(super) mod tests;
