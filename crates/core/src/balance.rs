//! Choosing an endpoint: power of two choices over peak-EWMA latency.
//!
//! Each endpoint has a [`Load`]: a moving average of its latency that jumps up at once and falls slowly, times the requests
//! that are under way. Of two endpoints drawn by lot the cheaper one is taken, which keeps clear of slow endpoints without the
//! herding that "always the cheapest" causes. An endpoint that can't be connected to is barred for a while, longer each time.

use std::time::Duration;

/// Time in which the average forgets all but 1/e of what it knew.
pub const DECAY: Duration = Duration::from_secs(10);
/// Latency that an endpoint is believed to have before anything was measured.
pub const INITIAL_LATENCY: Duration = Duration::from_millis(1);
/// How long an endpoint is barred after its first connect failure; doubled by each further one.
pub const FIRST_BAR: Duration = Duration::from_millis(500);
/// The longest that an endpoint is barred.
pub const LONGEST_BAR: Duration = Duration::from_secs(30);

/// What is known of one endpoint. `now` is always the time since an epoch of the caller's choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Nanoseconds.
    average: f64,
    measured: Duration,
    pending: u32,
    failures: u32,
    barred_until: Duration,
}

impl Load {
    /// An endpoint of which nothing is known.
    pub fn new(now: Duration) -> Self {
        Self { average: nanos(INITIAL_LATENCY), measured: now, pending: 0, failures: 0, barred_until: Duration::ZERO }
    }

    /// A request is sent.
    pub fn begin(&mut self) {
        self.pending = self.pending.saturating_add(1);
    }

    /// A request is over. `latency` is the time to the answer's head; `None` if there was none to measure.
    pub fn end(&mut self, now: Duration, latency: Option<Duration>) {
        self.pending = self.pending.saturating_sub(1);
        let Some(latency) = latency.map(nanos) else { return };
        self.failures = 0;
        self.barred_until = Duration::ZERO;
        let kept = self.average * self.weight(now);
        // A peak is believed at once; an improvement only as the past fades.
        self.average = if latency > self.average { latency } else { kept + latency * (1.0 - self.weight(now)) };
        self.measured = self.measured.max(now);
    }

    /// A connection couldn't be made.
    pub fn fail(&mut self, now: Duration) {
        let bar = FIRST_BAR.saturating_mul(1 << self.failures.min(16)).min(LONGEST_BAR);
        self.failures = self.failures.saturating_add(1);
        self.barred_until = now + bar;
    }

    /// Is the endpoint barred by connect failures?
    pub fn is_barred(&self, now: Duration) -> bool {
        now < self.barred_until
    }

    /// Requests under way.
    pub fn pending(&self) -> u32 {
        self.pending
    }

    /// What one more request is expected to wait, in nanoseconds: the average faded by its age, times the requests under way.
    pub fn cost(&self, now: Duration) -> f64 {
        (self.average * self.weight(now)).max(1.0) * (f64::from(self.pending) + 1.0)
    }

    /// What a choice looks at.
    pub fn standing(&self, now: Duration) -> Standing {
        Standing { cost: self.cost(now), barred_until: Some(self.barred_until).filter(|_| self.is_barred(now)) }
    }

    fn weight(&self, now: Duration) -> f64 {
        (-nanos(now.saturating_sub(self.measured)) / nanos(DECAY)).exp()
    }
}

/// What counts of an endpoint's load at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// As [`Load::cost`].
    pub cost: f64,
    /// Barred until then, if that is later than the moment.
    pub barred_until: Option<Duration>,
}

/// Picks one of `count` endpoints; `None` only when none may be used. `chance` is 64 random bits. `standing` is `None` for an
/// endpoint that isn't to be used (it was tried already). Barred endpoints are taken only when there is no other.
pub fn choose(count: usize, chance: u64, standing: impl Fn(usize) -> Option<Standing>) -> Option<usize> {
    let free = |index: usize| standing(index).filter(|s| s.barred_until.is_none()).map(|s| (index, s.cost));
    let (first, second) = two_of(count, chance)?;
    match (free(first), free(second)) {
        (Some(a), Some(b)) => Some(if b.1 < a.1 { b.0 } else { a.0 }),
        (Some(one), None) | (None, Some(one)) => Some(one.0),
        (None, None) => least((0..count).filter_map(free))
            .or_else(|| least((0..count).filter_map(|i| Some((i, nanos(standing(i)?.barred_until?)))))),
    }
}

/// Two different indexes where there are two, from one draw.
fn two_of(count: usize, chance: u64) -> Option<(usize, usize)> {
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    let first = (chance >> 32) % count;
    let second = if count == 1 { 0 } else { (first + 1 + (chance & 0xffff_ffff) % (count - 1)) % count };
    Some((usize::try_from(first).ok()?, usize::try_from(second).ok()?))
}

fn least(costs: impl Iterator<Item = (usize, f64)>) -> Option<usize> {
    costs.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index)
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests;
