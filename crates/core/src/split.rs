//! Weighted splits: smooth weighted round-robin, so that shares are exact over each cycle, not only on average.

/// Deals picks by weight. One per worker and split: it isn't shared.
///
/// Over a cycle of as many picks as the weights sum to (after division by their greatest common divisor) each backend is picked
/// exactly as often as its weight says: 1/0 is 50/0 in 50 picks, and 75/25 can't come out reversed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmoothWrr {
    weights: Vec<i64>,
    current: Vec<i64>,
    total: i64,
}

impl SmoothWrr {
    /// `weights` are relative; weight 0 is never picked.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let weights: Vec<i64> = weights.into_iter().map(i64::from).collect();
        let total = weights.iter().sum();
        Self { current: vec![0; weights.len()], weights, total }
    }

    /// The index of the next backend; `None` when no weight is positive (smi.md §5 A9: the root's own endpoints).
    pub fn pick(&mut self) -> Option<usize> {
        if self.total <= 0 {
            return None;
        }
        let mut best: Option<(usize, i64)> = None;
        for (index, (current, weight)) in self.current.iter_mut().zip(&self.weights).enumerate() {
            if *weight == 0 {
                continue;
            }
            *current += weight;
            if best.is_none_or(|(_, most)| *current > most) {
                best = Some((index, *current));
            }
        }
        let (index, _) = best?;
        if let Some(current) = self.current.get_mut(index) {
            *current -= self.total;
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests;
