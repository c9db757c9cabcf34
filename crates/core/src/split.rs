//! Weighted splits: every backend gets its share over any stretch of requests, not only on average.

use crate::broken::{self, Fault};

/// Deals picks by weight. One per worker and split: it isn't shared.
///
/// After any number of picks each backend has had its share of them to within one pick: 1/0 is 50/0 in 50 picks, and 75/25 can't
/// come out reversed. Smooth weighted round-robin doesn't promise that for three backends and more: it takes who is owed most,
/// and can leave the small ones waiting for longer than a pick. This is Tijdeman's solution of the chairman assignment problem
/// (Discrete Mathematics 32, 1980): of those who are owed enough, the one whose next pick is due first. With n backends the
/// deviation is at most 1 − 1/(2n − 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splitter {
    shares: Vec<Share>,
    total: i128,
    /// 2n − 2, for n backends of positive weight.
    spread: i128,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Share {
    index: usize,
    weight: i128,
    /// What it is owed: its weight for each pick so far, less the total for each that it got.
    owed: i128,
}

impl Splitter {
    /// `weights` are relative; weight 0 is never picked.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let weights = weights.into_iter().map(|weight| match weight {
            0 if broken::is(Fault::ZeroWeightServed) => 1,
            1.. if broken::is(Fault::WeightsIgnored) => 1,
            weight => weight,
        });
        let positive = weights.map(i128::from).enumerate().filter(|(_, weight)| *weight > 0);
        let shares: Vec<Share> = positive.map(|(index, weight)| Share { index, weight, owed: 0 }).collect();
        let total = shares.iter().map(|s| s.weight).sum();
        Self { total, spread: (shares.len() as i128 * 2 - 2).max(1), shares }
    }

    /// The index of the next backend; `None` when no weight is positive (smi.md §5 A9: the root's own endpoints).
    pub fn pick(&mut self) -> Option<usize> {
        let (total, spread) = (self.total, self.spread);
        // One that is owed `owed` may be picked from 1/(2n − 2) of a pick on; it is due when that would exceed 1 − 1/(2n − 2).
        // Both sides are multiplied out: weights are below 2^32, so that nothing here overflows.
        let left = |s: &Share| (spread - 1) * total - spread * s.owed;
        self.shares.iter_mut().for_each(|s| s.owed += s.weight);
        let ready = self.shares.iter_mut().filter(|s| s.owed * spread >= total);
        let due = ready.min_by(|a, b| (left(a) * b.weight).cmp(&(left(b) * a.weight)))?;
        due.owed -= total;
        Some(due.index)
    }
}

#[cfg(test)]
mod tests;
