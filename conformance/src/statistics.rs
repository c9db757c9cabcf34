//! When measured shares are those that were asked for.
//!
//! A share of 0 or 100 percent is exact: not one request may go elsewhere. Another may be off by [`TOLERANCE`] points. Where
//! [`ENOUGH`] requests are sent by independent draws, a right share is inside with a probability of at least 97.4 %
//! (at 50 %, its worst: the standard deviation is 2.24 points), and a second try makes that 99.9 %. A proxy that goes
//! round by weights is always inside; weights that are ignored in favour of equal ones show from 5 points of difference on.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::case::Shares;

/// How many requests shares are measured with.
pub const ENOUGH: u32 = 500;
/// By how many points of a hundred a share may be off.
pub const TOLERANCE: f64 = 5.0;

/// Are those the shares? Whoever isn't named has none.
pub fn fit(asked: &Shares, seen: &BTreeMap<String, u64>) -> bool {
    let total: u64 = seen.values().sum();
    let everybody = asked.keys().chain(seen.keys());
    total > 0
        && everybody.into_iter().all(|name| {
            let count = seen.get(name).copied().unwrap_or_default();
            match asked.get(name).copied().unwrap_or_default() {
                0 => count == 0,
                100 => count == total,
                percent => (share(count, total) - f64::from(percent)).abs() <= TOLERANCE,
            }
        })
}

/// In percent.
pub fn share(count: u64, total: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    let (count, total) = (count as f64, total as f64);
    if total > 0.0 { count * 100.0 / total } else { 0.0 }
}
