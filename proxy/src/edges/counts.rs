//! What an edge has counted, at one moment.

use isthmus_core::telemetry::Latency;

use super::status::{Code, SLOTS, codes};

/// Totals since the edge's beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(super) statuses: [u64; SLOTS],
    /// Requests, or TCP connections that have ended.
    pub(crate) successes: u64,
    pub(crate) failures: u64,
    /// Time to the end of the answer.
    pub(crate) latency: Latency,
    /// Of the caller's bytes: bodies of HTTP messages, or all of TCP.
    pub(crate) received: u64,
    /// Of the callee's.
    pub(crate) sent: u64,
    /// Connections made.
    pub(crate) connections: u64,
    /// Connections open now.
    pub(crate) open: u64,
}

impl Counts {
    /// Requests by the code of their answer, those codes that there were.
    pub(crate) fn by_code(&self) -> impl Iterator<Item = (Code, u64)> {
        codes().zip(self.statuses).filter(|(_, count)| *count > 0)
    }

    /// Requests by the class of their answer; 0 for none.
    pub(crate) fn by_class(&self) -> [u64; 6] {
        let mut classes = [0_u64; 6];
        for (code, count) in self.by_code() {
            if let Some(class) = classes.get_mut(usize::from(code.class())) {
                *class = class.saturating_add(count);
            }
        }
        classes
    }

    /// Adds what another has counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.statuses.iter_mut().zip(other.statuses) {
            *count = count.saturating_add(more);
        }
        self.latency.merge(&other.latency);
        for (count, more) in [
            (&mut self.successes, other.successes),
            (&mut self.failures, other.failures),
            (&mut self.received, other.received),
            (&mut self.sent, other.sent),
            (&mut self.connections, other.connections),
            (&mut self.open, other.open),
        ] {
            *count = count.saturating_add(more);
        }
    }

    /// All that has happened; it grows with each.
    pub(super) fn activity(&self) -> u64 {
        let Self { successes, failures, received, sent, connections, .. } = *self;
        [successes, failures, received, sent, connections].into_iter().fold(0, u64::wrapping_add)
    }
}
