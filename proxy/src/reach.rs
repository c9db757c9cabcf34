//! Whether the controller can be asked, and since when it can't.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::limits::LOOKUP_TIME;

const CONNECTED: u64 = u64::MAX;

/// Known to the workers without a lock.
#[derive(Debug)]
pub(crate) struct Reach {
    started: Instant,
    /// Milliseconds after `started` at which the controller was lost, or [`CONNECTED`].
    lost: AtomicU64,
}

impl Reach {
    /// Not reached yet.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), lost: AtomicU64::new(0) }
    }

    pub(crate) fn gained(&self) {
        self.lost.store(CONNECTED, Ordering::Relaxed);
    }

    pub(crate) fn lost(&self) {
        if self.lost.load(Ordering::Relaxed) == CONNECTED {
            let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(0);
            self.lost.store(now, Ordering::Relaxed);
        }
    }

    /// Away for so long that waiting for it is of no use: a restart is over sooner.
    pub(crate) fn is_away(&self) -> bool {
        let lost = self.lost.load(Ordering::Relaxed);
        lost != CONNECTED && self.started.elapsed() > Duration::from_millis(lost) + LOOKUP_TIME
    }
}
