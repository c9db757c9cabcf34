use proptest::prelude::*;

use super::*;

fn counts(weights: &[u32], picks: usize) -> Vec<usize> {
    let mut wrr = SmoothWrr::new(weights.iter().copied());
    let mut counts = vec![0; weights.len()];
    for _ in 0..picks {
        if let Some(index) = wrr.pick() {
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
    assert_eq!(SmoothWrr::new([0, 0]).pick(), None);
    assert_eq!(SmoothWrr::new([]).pick(), None);
}

proptest! {
    #[test]
    fn a_cycle_is_exact(weights in prop::collection::vec(0u32..50, 1..6)) {
        let total = weights.iter().sum::<u32>() as usize;
        let expected: Vec<usize> = weights.iter().map(|w| if total == 0 { 0 } else { *w as usize }).collect();
        prop_assert_eq!(counts(&weights, total), expected);
    }

    #[test]
    fn any_stretch_is_within_one_pick_per_backend_of_its_share(weights in prop::collection::vec(1u32..1_000_000, 2..5), picks in 1usize..200) {
        let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
        for (count, weight) in counts(&weights, picks).iter().zip(&weights) {
            let share = picks as f64 * f64::from(*weight) / total;
            prop_assert!((*count as f64 - share).abs() <= weights.len() as f64);
        }
    }
}
