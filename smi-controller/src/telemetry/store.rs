//! What the proxies that are connected here have told of their traffic. Bounded: what is too much is still counted for the
//! workload, but no longer by edge.

pub(super) mod intake;
mod ring;
mod series;

use std::{collections::HashMap, time::Duration};

use isthmus_core::{id::ObjectName, telemetry::BUCKETS};

pub(crate) use intake::{Report, read};
pub(crate) use ring::Counts;
pub(crate) use series::LONGEST;

use self::series::Series;
use super::{
    model::{Direction, End, Observation, Totals},
    source::{Keep, Of, Query},
};

/// Most edges of one pod; a proxy itself keeps 2,000.
pub(super) const MAX_EDGES_OF_ONE: usize = 4_096;
/// Most edges of all.
pub(super) const MAX_EDGES: usize = 50_000;
/// Most bytes of counts and keys, beside one edge each way of every pod.
pub(super) const MAX_BYTES: usize = 256 << 20;
/// Longest time from one look for edges that are over to the next.
const SWEEP: Duration = Duration::from_secs(60);

/// Which traffic an edge is, beside the pod that tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) direction: Direction,
    pub(crate) peer: End,
    pub(crate) service: Option<ObjectName>,
    pub(crate) backend: Option<ObjectName>,
    pub(crate) split: Option<ObjectName>,
}

impl Key {
    /// What is too much goes here.
    fn other(direction: Direction) -> Self {
        Self { direction, peer: End::default(), service: None, backend: None, split: None }
    }

    fn is_other(&self) -> bool {
        *self == Self::other(self.direction)
    }

    fn size(&self) -> usize {
        let name = |name: &Option<ObjectName>| name.as_ref().map_or(0, |name| name.namespace.len() + name.name.len());
        let End { mesh, namespace, kind, name: owner, pod } = &self.peer;
        let peer = namespace.len() + kind.len() + owner.len() + pod.len() + mesh.as_ref().map_or(0, |mesh| mesh.len());
        size_of::<Self>() + peer + name(&self.service) + name(&self.backend) + name(&self.split)
    }
}

/// A pod that has told something.
#[derive(Debug)]
struct Reporter {
    own: End,
    edges: HashMap<Key, Series>,
}

/// An answer that is being summed up.
#[derive(Debug, Default)]
pub(crate) struct Sums(HashMap<(End, Key), Counts>);

impl Sums {
    pub(crate) fn observations(self) -> Vec<Observation> {
        self.0.into_iter().map(|((own, key), counts)| observation(own, key, &counts)).collect()
    }
}

/// Everything that was told.
#[derive(Debug, Default)]
pub(crate) struct Store {
    reporters: HashMap<ObjectName, Reporter>,
    edges: usize,
    bytes: usize,
    swept: u64,
}

impl Store {
    /// Takes in what a pod tells at `now`, by a clock that only goes forward. Says how many edges were folded.
    pub(crate) fn take(&mut self, now: Duration, pod: &ObjectName, own: End, report: Report) -> u64 {
        let now = millis(now);
        if now.saturating_sub(self.swept) >= millis(SWEEP) {
            self.sweep(now);
        }
        let reporter =
            self.reporters.entry(pod.clone()).or_insert_with(|| Reporter { own: own.clone(), edges: HashMap::new() });
        reporter.own = own;
        let from = now.saturating_sub(report.milliseconds);
        let mut folded = 0;
        for (key, counts) in report.edges {
            let known = reporter.edges.contains_key(&key);
            let room = reporter.edges.len() < MAX_EDGES_OF_ONE && self.edges < MAX_EDGES;
            let fits = self.bytes < MAX_BYTES && (known || room);
            folded += u64::from(!fits && !key.is_other());
            let key = if fits { key } else { Key::other(key.direction) };
            let size = key.size();
            let series = reporter.edges.entry(key).or_insert_with(|| {
                self.edges += 1;
                self.bytes += size + size_of::<Series>();
                Series::default()
            });
            self.bytes = self.bytes.saturating_sub(series.size());
            series.add(from, now, &counts);
            self.bytes += series.size();
        }
        folded
    }

    /// Who has told something.
    pub(crate) fn pods(&self) -> Vec<ObjectName> {
        self.reporters.keys().cloned().collect()
    }

    /// Adds what one pod has told to the answer to a question asked at `now`.
    pub(crate) fn observe(&self, now: Duration, query: &Query, pod: &ObjectName, answer: &mut Sums) {
        let now = millis(now);
        let Some(reporter) = self.reporters.get(pod) else { return };
        for (key, series) in &reporter.edges {
            if key.direction != query.direction || !concerns(query, &reporter.own, key) {
                continue;
            }
            let counts = series.within(now, query.window);
            if !counts.is_empty() {
                answer.0.entry(kept(query.keep, &reporter.own, key)).or_default().merge(&counts);
            }
        }
    }

    /// Edges that are kept.
    pub(crate) fn len(&self) -> usize {
        self.edges
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn sweep(&mut self, now: u64) {
        self.swept = now;
        let (edges, bytes) = (&mut self.edges, &mut self.bytes);
        self.reporters.retain(|_, reporter| {
            reporter.edges.retain(|key, series| {
                let stays = !series.is_over(now);
                if !stays {
                    *edges = edges.saturating_sub(1);
                    *bytes = bytes.saturating_sub(key.size() + series.size());
                }
                stays
            });
            !reporter.edges.is_empty()
        });
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// May it be left out?
fn concerns(query: &Query, own: &End, key: &Key) -> bool {
    let Some((of, namespace)) = &query.within else { return true };
    let named = |name: &Option<ObjectName>| name.as_ref().is_some_and(|name| name.namespace == *namespace);
    match of {
        Of::Own => own.namespace == *namespace,
        Of::Peer => key.peer.mesh.is_none() && key.peer.namespace == *namespace,
        Of::Service => named(&key.service),
        Of::Split => named(&key.split),
    }
}

/// Without the parts that don't matter.
fn kept(keep: Keep, own: &End, key: &Key) -> (End, Key) {
    let own = if keep.own { own.clone() } else { End::default() };
    let split = |name: &Option<ObjectName>| name.clone().filter(|_| keep.split);
    let key = Key {
        direction: key.direction,
        peer: if keep.peer { key.peer.clone() } else { End::default() },
        service: key.service.clone().filter(|_| keep.service),
        backend: split(&key.backend),
        split: split(&key.split),
    };
    (own, key)
}

pub(crate) fn observation(own: End, key: Key, counts: &Counts) -> Observation {
    let Key { direction, peer, service, backend, split } = key;
    let mut counts = counts.0.iter().map(|count| *count as f64);
    let mut next = || counts.next().unwrap_or_default();
    let (successes, failures) = (next(), next());
    let latency: [f64; BUCKETS] = std::array::from_fn(|_| next());
    Observation { direction, own, peer, service, backend, split, totals: Totals { successes, failures, latency } }
}

#[cfg(test)]
mod tests;
