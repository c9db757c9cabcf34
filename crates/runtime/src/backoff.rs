//! How long to wait before the next attempt.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// Exponential waiting with a ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Longest wait before the first retry.
    pub base: Duration,
    /// Longest wait of all.
    pub max: Duration,
}

impl Backoff {
    /// The wait before attempt `attempt` (from 0, doubling each time), shortened by `jitter` (0 to 1) by up to a half,
    /// so that many clients of one failed server don't come back at once.
    pub fn delay(self, attempt: u32, jitter: f64) -> Duration {
        let full = self.base.saturating_mul(2_u32.saturating_pow(attempt)).min(self.max);
        let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
        full.mul_f64(1.0 - jitter / 2.0)
    }
}

/// A random number from 0 to 1, good enough to spread things in time and for nothing else.
pub fn jitter() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
