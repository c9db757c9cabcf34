//! Probes: when to ask, and what an answer means.

pub(crate) mod ask;
#[cfg(test)]
mod tests;

use std::time::Duration;

use k8s_openapi::api::core::v1::Probe;

/// A probe's timing and thresholds, with the API's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) initial_delay: Duration,
    pub(crate) period: Duration,
    pub(crate) timeout: Duration,
    success_threshold: u32,
    failure_threshold: u32,
}

impl Schedule {
    pub(crate) fn of(probe: &Probe) -> Self {
        let positive = |value: Option<i32>, default: u32| {
            value.and_then(|v| u32::try_from(v).ok()).filter(|v| *v > 0).unwrap_or(default)
        };
        let seconds = |value, default| Duration::from_secs(positive(value, default).into());
        Schedule {
            initial_delay: seconds(probe.initial_delay_seconds, 0),
            period: seconds(probe.period_seconds, 10),
            timeout: seconds(probe.timeout_seconds, 1),
            success_threshold: positive(probe.success_threshold, 1),
            failure_threshold: positive(probe.failure_threshold, 3),
        }
    }
}

/// Counts answers until enough in a row say the same.
#[derive(Clone, Debug)]
pub(crate) struct Verdicts {
    schedule: Schedule,
    healthy: bool,
    row: u32,
    last: Option<bool>,
}

impl Verdicts {
    /// Liveness begins healthy, readiness and startup don't.
    pub(crate) fn new(schedule: Schedule, healthy: bool) -> Self {
        Verdicts { schedule, healthy, row: 0, last: None }
    }

    /// Takes an answer; what the probe says now, if that has just been decided anew. A failed threshold is told each time it is reached
    /// again, so that a container which ignores its end is told once more.
    pub(crate) fn take(&mut self, success: bool) -> Option<bool> {
        self.row = if self.last == Some(success) { self.row.saturating_add(1) } else { 1 };
        self.last = Some(success);
        let needed = if success { self.schedule.success_threshold } else { self.schedule.failure_threshold };
        if self.row < needed {
            return None;
        }
        if !success {
            self.row = 0;
        }
        let changed = self.healthy != success || !success;
        self.healthy = success;
        changed.then_some(success)
    }
}
