use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// How many of so many attempts at a time are let through.
fn let_through(bucket: &mut Bucket, attempts: u32, now: Duration) -> u32 {
    (0..attempts).map(|_| u32::from(bucket.spend(1, || now))).sum()
}

#[test]
fn a_burst_then_a_rate() {
    let mut bucket = Bucket::new(10, 5, SECOND);
    assert_eq!(let_through(&mut bucket, 100, SECOND), 10);
    assert_eq!(let_through(&mut bucket, 100, 2 * SECOND), 5);
    assert_eq!(let_through(&mut bucket, 100, 2 * SECOND), 0);
    assert_eq!(let_through(&mut bucket, 100, 60 * SECOND), 10, "never more than the burst");
}

#[test]
fn a_bucket_that_rests_is_as_good_as_new() {
    let mut bucket = Bucket::new(10, 5, SECOND);
    assert!(bucket.is_full(SECOND));
    let_through(&mut bucket, 10, SECOND);
    assert!(!bucket.is_full(2 * SECOND));
    assert!(bucket.is_full(3 * SECOND));
}

proptest! {
    /// In any time no more than two bursts and the rate; and whoever keeps below the rate is never refused.
    #[test]
    fn the_rate_holds(times in prop::collection::vec(0u64..10_000, 1..300)) {
        let mut times = times;
        times.sort_unstable();
        let (most, a_second) = (20, 4);
        let mut bucket = Bucket::new(most, a_second, Duration::ZERO);
        let mut taken = Vec::new();
        for at in times {
            if bucket.spend(1, || Duration::from_millis(at)) {
                taken.push(at);
            }
        }
        for (n, first) in taken.iter().enumerate() {
            for (m, last) in taken.iter().enumerate().skip(n) {
                let allowed = u64::from(2 * most) + u64::from(a_second) * (last - first) / 1000;
                prop_assert!((m - n + 1) as u64 <= allowed + 1);
            }
        }
        let mut bucket = Bucket::new(1, 4, Duration::ZERO);
        prop_assert!((0..100).all(|n| bucket.spend(1, || Duration::from_millis(250 * n))));
    }
}
