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

#[test]
fn a_pace_is_kept_by_waiting() {
    let mut pace = Pace::new(10, 5);
    assert_eq!(pace.take(10, SECOND), Duration::ZERO);
    assert_eq!(pace.take(5, SECOND), SECOND);
    assert_eq!(pace.take(5, SECOND), 2 * SECOND, "each in its turn");
    assert_eq!((pace.wait(2 * SECOND), pace.wait(3 * SECOND)), (SECOND, Duration::ZERO));
    assert_eq!(pace.take(10, 60 * SECOND), Duration::ZERO, "all of it has come back");
    assert_eq!(pace.take(1000, 60 * SECOND), 200 * SECOND, "more than there ever is at once");
}

proptest! {
    /// Whoever waits as told never has more than the burst and the rate, and who keeps below the rate never waits.
    #[test]
    fn a_pace_holds(tokens in prop::collection::vec(1u32..50, 1..100), pauses in prop::collection::vec(0u64..2000, 100)) {
        let (most, a_second) = (100, 20);
        let (mut pace, mut now, mut taken) = (Pace::new(most, a_second), Duration::ZERO, 0);
        for (tokens, pause) in tokens.iter().zip(&pauses) {
            now += Duration::from_millis(*pause);
            now += pace.take(*tokens, now);
            taken += tokens;
            prop_assert!(f64::from(taken) <= f64::from(most) + f64::from(a_second) * now.as_secs_f64() + 1e-6);
        }
        let mut pace = Pace::new(1, 4);
        prop_assert!((0..100).all(|n| pace.take(1, Duration::from_millis(250 * n)).is_zero()));
    }

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
