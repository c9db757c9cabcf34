//! Has a split dealt the shares that it was told to? A verdict on counted requests, with a stated confidence.

/// Chance of calling a split wrong that isn't, in one look: looks are many.
const ERROR: f64 = 1e-6;
/// Fewest requests that anything is said of.
const FEWEST: u64 = 100;
/// A share is known when it can't be further off than this.
const KNOWN_TO: f64 = 0.10;
/// Never closer than this: a window doesn't begin on the exact request.
const CLOSEST: f64 = 0.005;

/// One backend: what it was to get, relative to the sum of all, and what it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The split's weight.
    pub weight: u32,
    /// Requests counted.
    pub requests: u64,
}

/// What the counts say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Every share is as wanted, to within this part of all requests.
    AsWanted {
        /// Between 0 and 1.
        within: f64,
    },
    /// The backend at this index got more or less than chance explains.
    Differs {
        /// In the order given.
        index: usize,
        /// What it was to get, as a part of all requests.
        wanted: f64,
        /// What it got.
        got: f64,
        /// How far apart chance can bring the two.
        within: f64,
    },
    /// There are too few to tell.
    TooFew,
    /// No weight is positive: nothing is dealt.
    NothingDealt,
}

/// Judges the shares.
///
/// Proxies deal more evenly than chance does, so chance's bound holds for them: by Bernstein's inequality, which is true for any number of
/// requests and any weight, a share is further off with a probability below 10⁻⁶. What has weight 0 must have got nothing.
pub fn judge(shares: &[Share]) -> Verdict {
    let total: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
    let requests: u64 = shares.iter().fold(0, |sum: u64, share| sum.saturating_add(share.requests));
    if total == 0 {
        return Verdict::NothingDealt;
    }
    if requests < FEWEST {
        return Verdict::TooFew;
    }
    let mut widest: f64 = 0.0;
    for (index, share) in shares.iter().enumerate() {
        let wanted = f64::from(share.weight) / total as f64;
        let got = share.requests as f64 / requests as f64;
        let within = bound(requests, wanted);
        if (got - wanted).abs() > within {
            return Verdict::Differs { index, wanted, got, within };
        }
        widest = widest.max(within);
    }
    if widest > KNOWN_TO { Verdict::TooFew } else { Verdict::AsWanted { within: widest } }
}

/// How far a share can be off by chance, as a part of `requests`.
fn bound(requests: u64, wanted: f64) -> f64 {
    let variance = wanted * (1.0 - wanted);
    if variance <= 0.0 {
        return 0.0;
    }
    let (requests, log) = (requests as f64, (2.0 / ERROR).ln());
    let off = log / 3.0 + (log * log / 9.0 + 2.0 * log * requests * variance).sqrt();
    (off / requests).max(CLOSEST)
}

#[cfg(test)]
mod tests;
