//! Everybody who watches a worker's traffic: the access log, and taps.

use std::time::{Duration, Instant};

use crate::{
    access_log::{AccessLog, Clock, Record, Stamp},
    tap::Taps,
};

/// They see each request and connection when it is over.
pub(crate) struct Watch {
    pub(crate) log: AccessLog,
    pub(crate) taps: Taps,
    started: Instant,
    clock: Clock,
}

impl Watch {
    pub(crate) fn new(log: AccessLog, taps: Taps) -> Self {
        Self { log, taps, started: Instant::now(), clock: Clock::new() }
    }

    /// The time that taps count by.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Shows them a record of what has just ended, which is made only if somebody looks.
    pub(crate) fn see<'r>(&self, ended: Instant, record: impl FnOnce(Stamp) -> Record<'r>) {
        let (log, tap) = (self.log.is_on(ended), !self.taps.are_idle());
        if !log && !tap {
            return;
        }
        let record = record(self.clock.stamp(ended));
        if log {
            self.log.write(&record);
        }
        if tap {
            self.taps.see(&record, self.now());
        }
    }
}
