//! Figures from samples.

use std::time::Duration;

/// The median; zero of nothing. Of an even number, the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = values.get(half).copied().unwrap_or_default();
    if values.len() % 2 == 1 {
        return upper;
    }
    half.checked_sub(1).and_then(|below| values.get(below)).map_or(upper, |lower| f64::midpoint(*lower, upper))
}

/// Latencies of one phase.
#[derive(Debug, Default, Clone)]
pub(crate) struct Latencies {
    nanos: Vec<u64>,
}

impl Latencies {
    pub(crate) fn record(&mut self, latency: Duration) {
        self.nanos.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.nanos.extend(other.nanos);
    }

    /// The latencies in µs below which these shares (0 to 1) of all lie: the nearest rank.
    pub(crate) fn quantiles_us<const N: usize>(mut self, shares: [f64; N]) -> [f64; N] {
        self.nanos.sort_unstable();
        shares.map(|share| {
            let rank = (share * self.nanos.len() as f64).ceil() as usize;
            self.nanos.get(rank.saturating_sub(1)).map_or(0.0, |nanos| *nanos as f64 / 1e3)
        })
    }
}

#[cfg(test)]
mod tests;
