//! Keeping clear of what can't be reached, and finding out with one request at a time whether it can be again.

use std::time::Duration;

use super::{FIRST_BAR, LONGEST_BAR};

/// How long one request that is let through to something in doubt keeps others from it. Its answer, or its failure, ends that sooner.
pub const TRIAL: Duration = Duration::from_secs(5);

/// Bars an endpoint, or a gateway with all that is behind it, after connect failures: longer after each. When the time is over it is
/// *in doubt* until somebody has reached it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bar {
    failures: u32,
    until: Duration,
}

impl Bar {
    /// It couldn't be reached.
    pub fn fail(&mut self, now: Duration) {
        let bar = FIRST_BAR.saturating_mul(1 << self.failures.min(16)).min(LONGEST_BAR);
        self.failures = self.failures.saturating_add(1);
        self.until = now + bar;
    }

    /// It was reached.
    pub fn lift(&mut self, now: Duration) {
        self.failures = 0;
        self.until = self.until.min(now);
    }

    /// One request is on its way to find out; others keep away meanwhile.
    pub fn put_to_trial(&mut self, now: Duration) {
        self.until = self.until.max(now + TRIAL);
    }

    /// Until when it is barred, if it is.
    pub fn until(&self, now: Duration) -> Option<Duration> {
        Some(self.until).filter(|until| now < *until)
    }

    /// Has nobody reached it since it failed?
    pub fn is_in_doubt(&self) -> bool {
        self.failures > 0
    }
}
