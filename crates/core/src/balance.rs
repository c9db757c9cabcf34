//! Choosing an endpoint: power of two choices over peak-EWMA latency.
//!
//! Each endpoint has a [`Load`]: a moving average of its latency that jumps up at once and falls slowly, times the requests
//! that are under way. Of two endpoints drawn by lot the cheaper one is taken, which keeps clear of slow endpoints without the
//! herding that "always the cheapest" causes.
//!
//! - An endpoint that can't be connected to is *barred* for a while, longer each time.
//! - One that takes requests and loses them ([`LOST_IN_A_ROW`]) is *ejected*, longer each time. An application's own answers, 5xx
//!   among them, don't count: they may be the right ones. Ejections hold as long as they leave half of the endpoints.
//! - One that is new, or comes back, *warms up*: over [`WARM_UP`] its part of the draws grows from little to all, so that neither an
//!   optimistic first latency nor an empty queue brings a herd upon it.
//! - One that comes back from either is *in doubt* until it has answered: it gets one request at a time ([`Load::put_to_trial`]).

mod bar;

use std::time::Duration;

pub use self::bar::{Bar, TRIAL};

/// Time in which the average forgets all but 1/e of what it knew.
pub const DECAY: Duration = Duration::from_secs(10);
/// How long an endpoint is barred after its first connect failure; doubled by each further one.
pub const FIRST_BAR: Duration = Duration::from_millis(500);
/// The longest that an endpoint is barred.
pub const LONGEST_BAR: Duration = Duration::from_secs(30);
/// Requests lost one after the other, with no answer between them, that eject an endpoint.
pub const LOST_IN_A_ROW: u32 = 5;
/// How long an endpoint is ejected the first time; doubled each further time.
pub const FIRST_EJECTION: Duration = Duration::from_secs(5);
/// The longest that an endpoint is ejected, and the time without another ejection after which the next counts as the first.
pub const LONGEST_EJECTION: Duration = Duration::from_secs(120);
/// Time over which a new or returning endpoint gets to its full part.
pub const WARM_UP: Duration = Duration::from_secs(10);
/// The part of the draws that it begins with.
pub const COLDEST: f64 = 0.05;

/// What is known of one endpoint. `now` is always the time since an epoch of the caller's choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Nanoseconds; `None` before the first answer.
    average: Option<f64>,
    measured: Duration,
    pending: u32,
    bar: Bar,
    lost: u32,
    ejections: u32,
    ejected_until: Duration,
    /// Since when it may be chosen.
    risen: Duration,
}

impl Load {
    /// An endpoint of which nothing is known.
    pub fn new(now: Duration) -> Self {
        Self {
            average: None,
            measured: now,
            pending: 0,
            bar: Bar::default(),
            lost: 0,
            ejections: 0,
            ejected_until: Duration::ZERO,
            risen: now,
        }
    }

    /// A request is sent.
    pub fn begin(&mut self) {
        self.pending = self.pending.saturating_add(1);
    }

    /// A request is over. `latency` is the time to the answer's head; `None` if there was none to measure.
    pub fn end(&mut self, now: Duration, latency: Option<Duration>) {
        self.pending = self.pending.saturating_sub(1);
        let Some(latency) = latency.map(nanos) else { return };
        self.lost = 0;
        self.ejected_until = self.ejected_until.min(now);
        self.reach(now);
        // A peak is believed at once; an improvement only as the past fades.
        let fading = |average: f64| average * self.weight(now) + latency * (1.0 - self.weight(now));
        self.average = Some(self.average.filter(|average| latency <= *average).map_or(latency, fading));
        self.measured = self.measured.max(now);
    }

    /// A connection came about. Of what becomes of requests that says nothing.
    pub fn reach(&mut self, now: Duration) {
        self.bar.lift(now);
        if !self.is_ejected(now) {
            self.risen = self.risen.min(now);
        }
    }

    /// Nobody took the request: no connection could be made, or the endpoint's proxy says that its application takes none.
    pub fn fail(&mut self, now: Duration) {
        self.bar.fail(now);
        self.risen = self.risen.max(self.bar.until(now).unwrap_or(now));
    }

    /// The endpoint took a request and lost it: the connection ended without an answer, or its proxy says that the application's did.
    /// True if it is ejected by that.
    pub fn lose(&mut self, now: Duration) -> bool {
        self.lost = self.lost.saturating_add(1);
        // What was sent before the ejection says nothing new.
        if self.lost < LOST_IN_A_ROW || self.is_ejected(now) {
            return false;
        }
        if now > self.ejected_until + LONGEST_EJECTION {
            self.ejections = 0;
        }
        let time = FIRST_EJECTION.saturating_mul(1 << self.ejections.min(16)).min(LONGEST_EJECTION);
        self.ejections = self.ejections.saturating_add(1);
        self.ejected_until = now + time;
        self.risen = self.risen.max(self.ejected_until);
        true
    }

    /// Is the endpoint barred by connect failures?
    pub fn is_barred(&self, now: Duration) -> bool {
        self.bar.until(now).is_some()
    }

    /// Is the endpoint ejected by requests that it lost?
    pub fn is_ejected(&self, now: Duration) -> bool {
        now < self.ejected_until
    }

    /// May it be called again though it hasn't answered since it was barred or ejected?
    pub fn is_in_doubt(&self) -> bool {
        self.bar.is_in_doubt() || self.lost >= LOST_IN_A_ROW
    }

    /// A request is on its way to an endpoint in doubt: others keep away until it is answered, or for [`TRIAL`].
    pub fn put_to_trial(&mut self, now: Duration) {
        self.bar.put_to_trial(now);
    }

    /// Requests under way.
    pub fn pending(&self) -> u32 {
        self.pending
    }

    /// What a choice looks at.
    pub fn standing(&self, now: Duration) -> Standing {
        let warm = nanos(now.saturating_sub(self.risen)) / nanos(WARM_UP);
        Standing {
            latency: self.average.map(|average| (average * self.weight(now)).max(1.0)),
            pending: self.pending,
            warmth: (COLDEST + (1.0 - COLDEST) * warm).min(1.0),
            barred_until: self.bar.until(now),
            ejected: self.is_ejected(now),
            in_doubt: self.is_in_doubt(),
        }
    }

    fn weight(&self, now: Duration) -> f64 {
        (-nanos(now.saturating_sub(self.measured)) / nanos(DECAY)).exp()
    }
}

/// What counts of an endpoint's load at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// The average faded by its age, in nanoseconds; `None` before the first answer.
    pub latency: Option<f64>,
    /// Requests under way.
    pub pending: u32,
    /// The part of its draws that it takes, up to 1.
    pub warmth: f64,
    /// Barred until then, if that is later than the moment.
    pub barred_until: Option<Duration>,
    /// Ejected at the moment.
    pub ejected: bool,
    /// Hasn't answered since it was barred or ejected last.
    pub in_doubt: bool,
}

impl Standing {
    /// The same, of an endpoint that is reached through something that may be barred itself.
    #[must_use]
    pub fn behind(mut self, way: &Bar, now: Duration) -> Self {
        self.barred_until = self.barred_until.max(way.until(now));
        self.in_doubt |= way.is_in_doubt();
        self
    }

    /// May it be called like any other?
    pub fn is_open(&self) -> bool {
        self.barred_until.is_none() && !self.ejected
    }

    /// What one more request is expected to wait, in nanoseconds: the latency times the requests under way.
    pub fn cost(&self) -> f64 {
        self.latency.unwrap_or(1.0) * (f64::from(self.pending) + 1.0)
    }

    /// Is it to be taken rather than the other? Where a latency isn't known yet, only the requests under way are compared.
    fn beats(&self, other: &Self) -> bool {
        match (self.latency, other.latency) {
            (Some(_), Some(_)) => self.cost() < other.cost(),
            _ => self.pending < other.pending,
        }
    }
}

/// Picks one of `count` endpoints; `None` only when none may be used. `chance` is 64 random bits. `standing` is `None` for an
/// endpoint that isn't to be used (it was tried already). Ejected endpoints are passed over unless more than half are; barred
/// ones are taken only when there is no other, and of them the first to be let in again.
pub fn choose(count: usize, chance: u64, standing: impl Fn(usize) -> Option<Standing>) -> Option<usize> {
    let (first, second) = two_of(count, chance)?;
    if count == 1 {
        return standing(0).map(|_| 0);
    }
    let drawn = |index: usize| standing(index).filter(Standing::is_open);
    if let (Some(one), Some(other)) = (drawn(first), drawn(second)) {
        return Some(if second_is_taken(&one, &other, chance) { second } else { first });
    }
    from_all(count, chance, standing)
}

/// The choice where the two drawn weren't both good: two others are drawn from those that are.
#[cold]
fn from_all(count: usize, chance: u64, standing: impl Fn(usize) -> Option<Standing>) -> Option<usize> {
    let all: Vec<(usize, Standing)> = (0..count).filter_map(|i| Some((i, standing(i)?))).collect();
    let holds = all.iter().filter(|(_, s)| s.ejected).count() * 2 <= count;
    let mut good: Vec<&(usize, Standing)> = all.iter().filter(|(_, s)| s.barred_until.is_none()).collect();
    if holds && good.iter().any(|(_, s)| !s.ejected) {
        good.retain(|(_, s)| !s.ejected);
    }
    let Some((first, second)) = two_of(good.len(), mixed(chance)) else {
        return all.iter().min_by_key(|(_, s)| s.barred_until).map(|(index, _)| *index);
    };
    let ((a, one), (b, other)) = (good.get(first)?, good.get(second)?);
    Some(if first != second && second_is_taken(one, other, chance) { *b } else { *a })
}

/// Of two, one that is less warm than the other takes its draw only now and then; else the cheaper is taken.
fn second_is_taken(first: &Standing, second: &Standing, chance: u64) -> bool {
    if first.warmth != second.warmth {
        let luck = (mixed(chance) >> 32) as f64 / f64::from(u32::MAX);
        if luck >= first.warmth.min(second.warmth) / first.warmth.max(second.warmth) {
            return second.warmth > first.warmth;
        }
    }
    second.beats(first)
}

/// Two different indexes where there are two, from one draw.
fn two_of(count: usize, chance: u64) -> Option<(usize, usize)> {
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    let first = (chance >> 32) % count;
    let second = if count == 1 { 0 } else { (first + 1 + (chance & 0xffff_ffff) % (count - 1)) % count };
    Some((usize::try_from(first).ok()?, usize::try_from(second).ok()?))
}

/// More random bits out of the same (the finalizer of SplitMix64).
fn mixed(chance: u64) -> u64 {
    let x = (chance ^ (chance >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests;
