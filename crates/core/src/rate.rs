//! How much in how much time: a bucket of tokens.

use std::time::Duration;

/// Tokens that are spent and earned, and come back with time. `now` is always the time since an epoch of the caller's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    tokens: u32,
    most: u32,
    a_second: u32,
    filled: Duration,
}

impl Bucket {
    /// A full one.
    pub fn new(most: u32, a_second: u32, now: Duration) -> Self {
        Self { tokens: most, most, a_second, filled: now }
    }

    /// Puts tokens back, up to the most.
    pub fn earn(&mut self, tokens: u32) {
        self.tokens = self.tokens.saturating_add(tokens).min(self.most);
    }

    /// Takes tokens; false, and an empty bucket, if there are too few. The time is looked at only when they are used up.
    pub fn spend(&mut self, tokens: u32, now: impl FnOnce() -> Duration) -> bool {
        if self.tokens < tokens {
            let now = now();
            let back = self.back(now);
            if back > 0 {
                self.filled = now;
                self.earn(back);
            }
        }
        let left = self.tokens.checked_sub(tokens);
        self.tokens = left.unwrap_or_default();
        left.is_some()
    }

    /// Is it as good as a new one, so that it needn't be remembered?
    pub fn is_full(&self, now: Duration) -> bool {
        self.tokens.saturating_add(self.back(now)) >= self.most
    }

    /// What has come back by now.
    fn back(&self, now: Duration) -> u32 {
        let passed = now.saturating_sub(self.filled).as_millis();
        u32::try_from(u128::from(self.a_second).saturating_mul(passed) / 1000).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
