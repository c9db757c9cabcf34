//! How old a catalog is. Ages are by the receiver's own clock that only goes forward: clocks of two machines are never
//! compared, so that a wrong one does no harm.

use std::time::{Duration, Instant};

use crate::limits::LEASE;

/// What may be done with a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Its exporter has just given a sign of life.
    Fresh,
    /// It hasn't for longer than its lease: the catalog is served, and other backends are preferred.
    Stale,
    /// It hasn't for longer than the import allows: the catalog is withdrawn.
    Expired,
}

/// Signs of life of an exporter: the newest (sequence, counter), and when it was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    seen: (u64, u64),
    at: Instant,
    /// Its age at a start of this process, for what was kept from before.
    before: Duration,
}

impl Pulse {
    /// A catalog of this sequence has come now.
    pub fn begin(sequence: u64, now: Instant) -> Self {
        Self { seen: (sequence, 0), at: now, before: Duration::ZERO }
    }

    /// A catalog that was kept over a restart, and was so old then: it is not fresh before its exporter says so.
    pub fn resume(sequence: u64, age: Duration, now: Instant) -> Self {
        Self { seen: (sequence, u64::MAX), at: now, before: age.max(LEASE.saturating_add(Duration::from_millis(1))) }
    }

    /// A sign of life. `false`: it isn't newer than what was seen, so it says nothing; somebody may have kept it.
    pub fn beat(&mut self, sequence: u64, counter: u64, now: Instant) -> bool {
        // What was resumed has seen no counter of this run: the first one counts, and is no older than the restart.
        let resumed = self.seen == (sequence, u64::MAX);
        if !resumed && (sequence, counter) <= self.seen {
            return false;
        }
        *self = Self { seen: (sequence, counter), at: now, before: Duration::ZERO };
        true
    }

    /// How long ago the newest sign of life came.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.at).saturating_add(self.before)
    }

    /// What may be done with the catalog.
    pub fn freshness(&self, now: Instant, max_stale: Duration) -> Freshness {
        of_age(self.age(now), max_stale)
    }

    /// When [`Pulse::freshness`] changes next if nothing more is heard; `None`: never.
    pub fn next_change(&self, now: Instant, max_stale: Duration) -> Option<Duration> {
        let tick = Duration::from_millis(1);
        match self.freshness(now, max_stale) {
            Freshness::Fresh => Some(LEASE.min(max_stale).saturating_sub(self.age(now)).saturating_add(tick)),
            Freshness::Stale => Some(max_stale.saturating_sub(self.age(now)).saturating_add(tick)),
            Freshness::Expired => None,
        }
    }
}

/// Fresh up to [`LEASE`], stale up to `max_stale`. An import may allow less than the lease: then nothing is ever stale.
pub fn of_age(age: Duration, max_stale: Duration) -> Freshness {
    if age <= LEASE.min(max_stale) {
        Freshness::Fresh
    } else if age <= max_stale {
        Freshness::Stale
    } else {
        Freshness::Expired
    }
}

#[cfg(test)]
mod tests;
