//! Pauses between attempts to watch.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// At first…
const FIRST: Duration = Duration::from_millis(200);
/// …and at most, so that an API server that is back is followed again within seconds.
const LAST: Duration = Duration::from_secs(5);

/// Doubles from one attempt to the next.
#[derive(Debug, Clone)]
pub(super) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Iterator for Pause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = self.0;
        self.0 = now.saturating_mul(2).min(LAST);
        Some(now)
    }
}

impl Backoff for Pause {
    fn reset(&mut self) {
        *self = Self::default();
    }
}
