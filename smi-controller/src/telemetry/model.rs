//! What was seen of the traffic, whoever tells it: this is what every source answers in, and all that the API sums up.

use std::sync::Arc;

use isthmus_core::{id::ObjectName, telemetry::BUCKETS};

/// Which side of the wire counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Direction {
    /// The callee's proxy.
    Inbound,
    /// The caller's.
    Outbound,
}

/// One end of the traffic. What isn't known is empty: all of it outside the mesh, the workload of a foreign SVID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct End {
    /// Name of the mesh that it is in; `None` for this one, and for who is in none.
    pub(crate) mesh: Option<Arc<str>>,
    pub(crate) namespace: Arc<str>,
    /// What owns the pod, as Kubernetes spells it (`Deployment`), and its name; the pod itself where nothing does.
    pub(crate) kind: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) pod: Arc<str>,
}

/// What was counted of one sort of traffic. Parts of the key that the query doesn't keep may be empty, or there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Observation {
    pub(crate) direction: Direction,
    /// The workload whose proxy counted.
    pub(crate) own: End,
    /// Whom it talked to.
    pub(crate) peer: End,
    /// What was called: of the other mesh where the callee is there.
    pub(crate) service: Option<ObjectName>,
    /// Outbound: where it went, and the split that sent it there.
    pub(crate) backend: Option<ObjectName>,
    pub(crate) split: Option<ObjectName>,
    pub(crate) totals: Totals,
}

/// Over the window. Not whole where time was divided, or Prometheus extrapolates.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Totals {
    pub(crate) successes: f64,
    pub(crate) failures: f64,
    /// By bucket of `isthmus_core::telemetry`, not cumulative.
    pub(crate) latency: [f64; BUCKETS],
}

impl Totals {
    /// Adds others up.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.successes += other.successes;
        self.failures += other.failures;
        for (count, more) in self.latency.iter_mut().zip(other.latency) {
            *count += more;
        }
    }

    /// Nothing happened.
    pub(crate) fn is_empty(&self) -> bool {
        self.successes <= 0.0 && self.failures <= 0.0
    }
}
