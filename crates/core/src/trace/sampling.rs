//! Which traces are recorded. It is decided where a trace begins; everyone behind follows.

use super::{Found, TraceId};
use crate::http_match::{HttpMatch, HttpRequest};

/// Bits of an id that are random (W3C level 2).
const RANDOM_BITS: u32 = 56;
const MILLION: u32 = 1_000_000;

/// A share of all traces. Everyone who applies the same share to the same trace comes to the same decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ratio {
    per_million: u32,
}

/// It isn't a share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no share: it must be a number from 0 to 1, such as 0.01")]
pub struct BadRatio(pub String);

impl Ratio {
    /// So many of a million; at most all.
    pub fn per_million(count: u32) -> Self {
        Self { per_million: count.min(MILLION) }
    }

    /// How many of a million.
    pub const fn as_per_million(self) -> u32 {
        self.per_million
    }

    /// Is this one of them? As OpenTelemetry's consistent sampling has it: the id's random part, against a threshold.
    pub fn covers(self, trace: TraceId) -> bool {
        let all = 1_u64 << RANDOM_BITS;
        let share = u128::from(all) * u128::from(self.per_million) / u128::from(MILLION);
        let random = trace.low() & (all - 1);
        u128::from(random) + share >= u128::from(all)
    }

    /// Is something one of the share, of which nothing is known but this chance? It is to be spread evenly over all numbers.
    pub fn takes(self, chance: u64) -> bool {
        // By the upper bits, which are the better ones of most generators.
        let drawn = (u128::from(chance) * u128::from(MILLION)) >> 64;
        drawn < u128::from(self.per_million)
    }
}

impl std::fmt::Display for Ratio {
    /// As it is read.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (f64::from(self.per_million) / f64::from(MILLION)).fmt(f)
    }
}

impl std::str::FromStr for Ratio {
    type Err = BadRatio;

    fn from_str(text: &str) -> Result<Self, BadRatio> {
        let bad = || BadRatio(text.to_owned());
        let share: f64 = text.trim().parse().map_err(|_| bad())?;
        if !(0.0..=1.0).contains(&share) {
            return Err(bad());
        }
        Ok(Self::per_million((share * f64::from(MILLION)).round() as u32))
    }
}

/// A share of the requests that one of these matches covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampledRoute {
    /// One of them is enough.
    pub matches: Vec<HttpMatch>,
    /// The share.
    pub ratio: Ratio,
}

/// What is recorded of the traces that begin here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sampling<'a> {
    /// Of what no route covers.
    pub ratio: Ratio,
    /// Where several cover a request, the greatest share counts.
    pub routes: &'a [SampledRoute],
}

impl Sampling<'_> {
    /// Is the request's trace recorded? What was decided before counts.
    pub fn decide<'r>(&self, found: &Found, trace: TraceId, request: impl FnOnce() -> HttpRequest<'r>) -> bool {
        found.sampled.unwrap_or_else(|| self.ratio_of(request).covers(trace))
    }

    fn ratio_of<'r>(&self, request: impl FnOnce() -> HttpRequest<'r>) -> Ratio {
        if self.routes.is_empty() {
            return self.ratio;
        }
        let request = request();
        let covering = self.routes.iter().filter(|route| route.matches.iter().any(|m| m.matches(request)));
        covering.map(|route| route.ratio).max_by_key(|ratio| ratio.per_million).unwrap_or(self.ratio)
    }
}
