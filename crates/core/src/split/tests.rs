use proptest::prelude::*;

use super::*;

fn counts(weights: &[u32], picks: usize) -> Vec<usize> {
    let mut splitter = Splitter::new(weights.iter().copied());
    let mut counts = vec![0; weights.len()];
    for _ in 0..picks {
        if let Some(index) = splitter.pick() {
            counts[index] += 1;
        }
    }
    counts
}

#[test]
fn vector_one_to_zero_is_exactly_fifty_to_none() {
    assert_eq!(counts(&[1, 0], 50), [50, 0]);
    assert_eq!(counts(&[0, 1], 50), [0, 50]);
}

#[test]
fn vector_a_thousand_to_five_hundred_is_two_thirds() {
    assert_eq!(counts(&[1000, 500], 300), [200, 100]);
}

#[test]
fn seventy_five_to_twenty_five_cannot_come_out_reversed() {
    let counts = counts(&[75, 25], 50);
    assert!(counts[0] > counts[1] && counts[0].abs_diff(37) <= 1, "{counts:?}");
}

#[test]
fn a9_with_no_positive_weight_nothing_is_picked() {
    assert_eq!(Splitter::new([0, 0]).pick(), None);
    assert_eq!(Splitter::new([]).pick(), None);
}

proptest! {
    #[test]
    fn a_cycle_is_exact(weights in prop::collection::vec(0u32..50, 1..6)) {
        let total = weights.iter().sum::<u32>() as usize;
        let expected: Vec<usize> = weights.iter().map(|w| if total == 0 { 0 } else { *w as usize }).collect();
        prop_assert_eq!(counts(&weights, total), expected);
    }

    /// At every prefix, and exactly: no rounding of the test's own.
    #[test]
    fn any_prefix_is_within_one_pick_of_every_share(weights in weights(), picks in 1i128..600) {
        let total: i128 = weights.iter().map(|w| i128::from(*w)).sum();
        let mut splitter = Splitter::new(weights.iter().copied());
        let mut counts = vec![0_i128; weights.len()];
        for n in 1..=picks {
            counts[splitter.pick().unwrap()] += 1;
            for (count, weight) in counts.iter().zip(&weights) {
                let off = count * total - n * i128::from(*weight);
                prop_assert!(off.abs() < total, "{weights:?} {counts:?}");
            }
        }
    }

    #[test]
    fn shares_over_a_long_run_are_within_a_thousandth(weights in weights()) {
        const PICKS: usize = 10_000;
        let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
        for (count, weight) in counts(&weights, PICKS).iter().zip(&weights) {
            let off = *count as f64 / PICKS as f64 - f64::from(*weight) / total;
            prop_assert!(off.abs() < 0.001, "{weights:?} {off}");
        }
    }
}

/// Where smooth weighted round-robin is off by 1.25 picks.
#[test]
fn many_small_weights_beside_large_ones_do_not_wait() {
    let weights = [1, 2, 58, 1, 3, 3, 1, 139, 439, 1];
    let total: i64 = weights.iter().map(|w| i64::from(*w)).sum();
    for picks in 1..=650 {
        for (count, weight) in counts(&weights, picks).iter().zip(&weights) {
            let off = *count as i64 * total - picks as i64 * i64::from(*weight);
            assert!(off.abs() < total, "{picks} {weight}");
        }
    }
}

#[test]
fn the_largest_weights_do_not_overflow() {
    assert_eq!(counts(&[u32::MAX; 1000], 1000), [1; 1000]);
    assert_eq!(counts(&[u32::MAX, 1], 1000), [1000, 0]);
}

/// Few and many backends, of weights alike and far apart.
fn weights() -> impl Strategy<Value = Vec<u32>> {
    let weight = prop_oneof![1u32..5, 1u32..1000, 1u32..=u32::MAX];
    prop::collection::vec(weight, 1..12)
}
