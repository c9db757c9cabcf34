use std::time::Duration;

use proptest::prelude::*;

use super::{BOUNDS, BUCKETS, Latency, bucket_of};

fn of(durations: &[Duration]) -> Latency {
    let mut latency = Latency::default();
    durations.iter().for_each(|took| latency.record(*took));
    latency
}

#[test]
fn bounds_are_inclusive() {
    assert_eq!(bucket_of(Duration::ZERO), 0);
    for (n, bound) in BOUNDS.iter().enumerate() {
        assert_eq!(bucket_of(*bound), n);
        assert_eq!(bucket_of(*bound + Duration::from_nanos(1)), n + 1);
    }
}

/// Figures of `histogram_quantile` on the same buckets.
#[test]
fn quantiles_are_those_of_promql() {
    let latency = of(&[Duration::from_millis(20); 100]);
    assert_eq!(latency.quantile(0.5), Some(0.0175));
    let close = |q: f64, expected: f64| {
        let is = latency.quantile(q).unwrap();
        assert!((is - expected).abs() < 1e-12, "{is} {expected}");
    };
    close(0.99, 0.02485);
    close(1.0, 0.025);
    assert_eq!(Latency::default().quantile(0.5), None);
    assert_eq!(of(&[Duration::from_secs(600)]).quantile(0.5), Some(60.0));
    let mut half = of(&[Duration::from_micros(300); 50]);
    half.merge(&of(&[Duration::from_secs(600); 50]));
    assert_eq!(half.quantile(0.5), Some(0.000_5));
    assert_eq!(half.quantile(0.51), Some(60.0));
}

proptest! {
    #[test]
    fn merged_is_as_if_counted_together(a in durations(), b in durations(), q in 0.0..=1.0f64) {
        let mut merged = of(&a);
        merged.merge(&of(&b));
        let together = of(&[a, b].concat());
        prop_assert_eq!(merged, together);
        prop_assert_eq!(merged.quantile(q).is_some(), merged.count() > 0);
    }

    #[test]
    fn the_quantile_is_in_the_bucket_of_the_duration(all in durations().prop_filter("some", |d| !d.is_empty()), q in 0.01..=1.0f64) {
        let mut sorted = all.clone();
        sorted.sort();
        let rank = ((q * all.len() as f64).ceil() as usize).clamp(1, all.len());
        let bucket = bucket_of(sorted[rank - 1]);
        let is = of(&all).quantile(q).unwrap();
        let lower = bucket.checked_sub(1).map_or(0.0, |n| BOUNDS[n].as_secs_f64());
        let upper = BOUNDS[bucket.min(BUCKETS - 2)].as_secs_f64();
        prop_assert!(is >= lower && is <= upper, "{is} {lower} {upper}");
    }
}

fn durations() -> impl Strategy<Value = Vec<Duration>> {
    prop::collection::vec((0u64..100_000_000).prop_map(Duration::from_micros), 0..50)
}
