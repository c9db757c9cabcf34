//! Latency as it is counted everywhere: in proxies, on the control stream, in the controller and in Prometheus; and who is at
//! the ends of what is counted.

pub mod settings;
pub mod tap;

use std::time::Duration;

pub use self::workload::{MAX_WORKLOAD_KIND, MAX_WORKLOAD_NAME, Owned, Workload};

mod workload;

/// Upper bounds of the buckets, inclusive. They are a contract (docs/metrics.md): quantiles of different sources agree because
/// their buckets do.
pub const BOUNDS: [Duration; 16] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
/// Buckets: one for each bound, and one for what took longer than all.
pub const BUCKETS: usize = BOUNDS.len() + 1;

/// Which bucket a duration is counted in, from 0.
pub fn bucket_of(took: Duration) -> usize {
    BOUNDS.partition_point(|bound| *bound < took)
}

/// How many took how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// By bucket, not cumulative.
    pub counts: [u64; BUCKETS],
    /// Of all durations, in microseconds.
    pub sum_micros: u64,
}

impl Latency {
    /// Counts one.
    pub fn record(&mut self, took: Duration) {
        if let Some(count) = self.counts.get_mut(bucket_of(took)) {
            *count = count.saturating_add(1);
        }
        self.sum_micros = self.sum_micros.saturating_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.sum_micros = self.sum_micros.saturating_add(other.sum_micros);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The duration that the part `q` (0 to 1) stayed within, in seconds, as PromQL's `histogram_quantile` has it: interpolated
    /// within its bucket, and the last bound for what took longer than all. `None` if nothing was counted.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        quantile(q, self.counts.map(|count| count as f64))
    }
}

/// The same of counts that needn't be whole, as rates and extrapolations give them; not cumulative. `None` without any, and
/// for counts that are none.
pub fn quantile(q: f64, counts: [f64; BUCKETS]) -> Option<f64> {
    let total: f64 = counts.iter().sum();
    if !(total > 0.0 && total.is_finite()) {
        return None;
    }
    let rank = q.clamp(0.0, 1.0) * total;
    let (mut before, mut lower) = (0.0, 0.0);
    for (bound, count) in BOUNDS.iter().zip(counts) {
        let upper = bound.as_secs_f64();
        // An empty bucket holds no rank: the quantile 0 is the lower end of the first that isn't.
        if count > 0.0 && before + count >= rank {
            return Some(lower + (upper - lower) * ((rank - before) / count).clamp(0.0, 1.0));
        }
        before += count;
        lower = upper;
    }
    BOUNDS.last().map(Duration::as_secs_f64)
}

#[cfg(test)]
mod tests;
