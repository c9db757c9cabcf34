//! One edge: counters that workers add to, whenever.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use isthmus_core::telemetry::{BUCKETS, Latency, bucket_of};

use super::{Counts, Key, report::Told, status::SLOTS, status::slot_of};

/// What is known of a request at its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    /// 0: none came.
    pub(crate) status: u16,
    pub(crate) failed: bool,
    pub(crate) took: Duration,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// An edge and what was counted on it.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) key: Key,
    /// It stands for all that have no place of their own.
    pub(crate) folded: bool,
    statuses: [AtomicU64; SLOTS],
    successes: AtomicU64,
    failures: AtomicU64,
    latency: [AtomicU64; BUCKETS],
    micros: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    connections: AtomicU64,
    open: AtomicU64,
    /// What the controller knows. For the report alone.
    pub(super) told: Mutex<Told>,
}

impl Edge {
    pub(super) fn new(key: Key, folded: bool) -> Arc<Self> {
        Arc::new(Self {
            key,
            folded,
            statuses: [const { AtomicU64::new(0) }; SLOTS],
            successes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            latency: [const { AtomicU64::new(0) }; BUCKETS],
            micros: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            told: Mutex::default(),
        })
    }

    /// Counts a request that is over.
    pub(crate) fn answer(&self, answer: Answer) {
        let micros = u64::try_from(answer.took.as_micros()).unwrap_or(u64::MAX);
        add(self.statuses.get(slot_of(answer.status)), 1);
        add(self.latency.get(bucket_of(answer.took)), 1);
        add(Some(&self.micros), micros);
        self.moved(answer.received, answer.sent);
        self.ended(answer.failed);
    }

    /// Counts a request or connection by how it went.
    pub(crate) fn ended(&self, failed: bool) {
        add(Some(if failed { &self.failures } else { &self.successes }), 1);
    }

    /// Counts bytes.
    pub(crate) fn moved(&self, received: u64, sent: u64) {
        if received > 0 {
            add(Some(&self.received), received);
        }
        if sent > 0 {
            add(Some(&self.sent), sent);
        }
    }

    /// What was counted so far.
    pub(crate) fn read(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        Counts {
            statuses: self.statuses.each_ref().map(load),
            successes: load(&self.successes),
            failures: load(&self.failures),
            latency: Latency { counts: self.latency.each_ref().map(load), sum_micros: load(&self.micros) },
            received: load(&self.received),
            sent: load(&self.sent),
            connections: load(&self.connections),
            open: load(&self.open),
        }
    }
}

fn add(counter: Option<&AtomicU64>, n: u64) {
    if let Some(counter) = counter {
        counter.fetch_add(n, Relaxed);
    }
}

/// A connection on an edge, for as long as it is open.
#[derive(Debug)]
pub(crate) struct Open(Arc<Edge>);

impl Open {
    pub(crate) fn on(edge: &Arc<Edge>) -> Self {
        add(Some(&edge.connections), 1);
        add(Some(&edge.open), 1);
        Self(Arc::clone(edge))
    }

    pub(crate) fn edge(&self) -> &Edge {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{edges::Protocol, metrics::Direction};

    #[test]
    fn each_thing_is_counted_once() {
        let edge = Edge::new(Key::other(Direction::Inbound, Protocol::Http), false);
        let answer = Answer { status: 200, failed: false, took: Duration::from_millis(3), received: 5, sent: 7 };
        edge.answer(answer);
        edge.answer(Answer { status: 0, failed: true, took: Duration::from_secs(90), received: 0, sent: 0 });
        let open = Open::on(&edge);
        let counts = edge.read();
        assert_eq!((counts.successes, counts.failures, counts.received, counts.sent), (1, 1, 5, 7));
        assert_eq!((counts.by_class(), counts.connections, counts.open), ([1, 0, 1, 0, 0, 0], 1, 1));
        assert_eq!((counts.latency.count(), counts.latency.sum_micros), (2, 90_003_000));
        drop(open);
        assert_eq!((edge.read().connections, edge.read().open), (1, 0));
    }
}
