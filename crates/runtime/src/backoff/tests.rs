use super::*;

const BACKOFF: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(2) };

#[test]
fn it_doubles_up_to_its_ceiling() {
    let delays: Vec<_> = (0..7).map(|n| BACKOFF.delay(n, 0.0).as_millis()).collect();
    assert_eq!(delays, [100, 200, 400, 800, 1600, 2000, 2000]);
    assert_eq!(BACKOFF.delay(u32::MAX, 0.0), BACKOFF.max);
}

#[test]
fn jitter_shortens_by_half_at_most() {
    assert_eq!(BACKOFF.delay(1, 1.0), Duration::from_millis(100));
    assert_eq!(BACKOFF.delay(1, 7.0), Duration::from_millis(100));
    assert_eq!(BACKOFF.delay(1, f64::NAN), Duration::from_millis(200));
    assert!((0..1000).all(|_| (0.0..1.0).contains(&jitter())));
    assert_ne!(jitter(), jitter());
}
