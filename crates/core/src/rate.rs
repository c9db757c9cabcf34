//! How much in how much time: a bucket of tokens, for who is refused beyond it; and a pace, for who is kept waiting.

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

/// A pace that is kept by waiting: who has taken what there is at once waits for what comes back. `now` as of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    most: Duration,
    tokens_a_second: u32,
    /// When all that was taken will have come back.
    whole: Duration,
}

impl Pace {
    /// With so many tokens at once, and so many that come back in a second.
    pub fn new(most: u32, a_second: u32) -> Self {
        let mut pace = Self { most: Duration::ZERO, tokens_a_second: a_second, whole: Duration::ZERO };
        pace.most = pace.time(most);
        pace
    }

    /// Takes tokens, of those to come if there are too few: how long to wait for them.
    pub fn take(&mut self, tokens: u32, now: Duration) -> Duration {
        self.whole = self.whole.max(now).saturating_add(self.time(tokens));
        self.wait(now)
    }

    /// How long whoever has taken tokens has to wait for them.
    pub fn wait(&self, now: Duration) -> Duration {
        self.whole.saturating_sub(now.saturating_add(self.most))
    }

    /// How long so many take to come back.
    fn time(&self, tokens: u32) -> Duration {
        Duration::from_secs(tokens.into()) / self.tokens_a_second.max(1)
    }
}

#[cfg(test)]
mod tests;
