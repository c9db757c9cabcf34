//! Delays between restarts.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::config::RestartDelays;

/// The delays of one container.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    delays: RestartDelays,
    next: Option<Duration>,
}

impl Backoff {
    pub(crate) fn new(delays: RestartDelays) -> Self {
        Backoff { delays, next: None }
    }

    /// The delay before the next start, after a run of this length. The first restart comes at once.
    pub(crate) fn after(&mut self, ran: Duration) -> Duration {
        if ran >= self.delays.forget_after {
            self.next = None;
        }
        let delay = self.next.unwrap_or(Duration::ZERO);
        self.next = Some(self.next.map_or(self.delays.first, |delay| delay.saturating_mul(2)).min(self.delays.longest));
        delay
    }

    /// The delay before trying again what couldn't be started at all: never at once.
    pub(crate) fn after_failure(&mut self) -> Duration {
        match self.after(Duration::ZERO) {
            Duration::ZERO => self.after(Duration::ZERO),
            delay => delay,
        }
    }
}
