use proptest::prelude::*;

use super::*;
use crate::split::Splitter;

fn of(counts: &[(u32, u64)]) -> Verdict {
    let shares: Vec<Share> =
        counts.iter().map(|(weight, requests)| Share { weight: *weight, requests: *requests }).collect();
    judge(&shares)
}

fn is_as_wanted(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::AsWanted { .. })
}

fn differs_at(verdict: Verdict) -> Option<usize> {
    match verdict {
        Verdict::Differs { index, .. } => Some(index),
        _ => None,
    }
}

#[test]
fn vectors() {
    assert!(is_as_wanted(of(&[(50, 1000), (50, 1000)])));
    assert!(is_as_wanted(of(&[(1, 333), (2, 667)])));
    assert!(is_as_wanted(of(&[(900, 9), (100, 1)].map(|(weight, requests)| (weight, requests * 100)))));
    assert_eq!(differs_at(of(&[(50, 1200), (50, 800)])), Some(0), "ten points off of 2,000");
    assert_eq!(differs_at(of(&[(25, 500), (75, 500)])), Some(0));
    assert_eq!(of(&[(50, 40), (50, 40)]), Verdict::TooFew);
    assert_eq!(of(&[(50, 100), (50, 100)]), Verdict::TooFew, "it could be any of 36 to 64 percent");
    assert_eq!(differs_at(of(&[(50, 200), (50, 0)])), Some(0), "but not this");
    assert_eq!(of(&[(0, 10), (0, 500)]), Verdict::NothingDealt);
    assert_eq!(of(&[]), Verdict::NothingDealt);
}

#[test]
fn no_weight_is_no_request() {
    assert_eq!(of(&[(0, 0), (100, 100)]), Verdict::AsWanted { within: 0.0 });
    assert_eq!(differs_at(of(&[(0, 1), (100, 1_000_000)])), Some(0));
}

proptest! {
    /// What proxies deal is as wanted, however many of them deal.
    #[test]
    fn what_is_dealt_is_as_wanted(
        weights in prop::collection::vec(0..1000_u32, 1..5),
        pickers in prop::collection::vec(1..500_usize, 1..10),
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let mut shares: Vec<Share> = weights.iter().map(|weight| Share { weight: *weight, requests: 0 }).collect();
        for picks in pickers {
            let mut splitter = Splitter::new(weights.iter().copied());
            (0..picks).for_each(|_| shares[splitter.pick().unwrap()].requests += 1);
        }
        prop_assert_eq!(differs_at(judge(&shares)), None);
    }

    /// So is what chance deals.
    #[test]
    fn chance_does_not_make_a_difference(weight in 0..=100_u32, draws in prop::collection::vec(0..100_u32, 100..2000)) {
        let first = draws.iter().filter(|draw| **draw < weight).count() as u64;
        let verdict = of(&[(weight, first), (100 - weight, draws.len() as u64 - first)]);
        prop_assert_eq!(differs_at(verdict), None);
    }

    /// What is off by more than it is known to is told.
    #[test]
    fn a_difference_is_told(weight in 0..=80_u32, more in 20..100_u32, requests in 1000..1_000_000_u64) {
        let got = requests * u64::from((weight + more).min(100)) / 100;
        prop_assert!(differs_at(of(&[(weight, got), (100 - weight, requests - got)])).is_some());
    }

    #[test]
    fn the_order_of_backends_says_nothing(counts in prop::collection::vec((0..100_u32, 0..5000_u64), 1..6)) {
        let reversed: Vec<_> = counts.iter().rev().copied().collect();
        let (one, other) = (of(&counts), of(&reversed));
        prop_assert_eq!(differs_at(one).is_some(), differs_at(other).is_some());
        prop_assert_eq!(is_as_wanted(one), is_as_wanted(other));
    }
}
