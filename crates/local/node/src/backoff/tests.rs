use super::*;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn delays_double_up_to_five_minutes_and_are_forgotten_after_ten() {
    let mut backoff = Backoff::new(RestartDelays::default());
    let delays: Vec<u64> = (0..8).map(|_| backoff.after(secs(1)).as_secs()).collect();
    assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300, 300]);
    assert_eq!(backoff.after(secs(600)), secs(0));
    assert_eq!(backoff.after(secs(1)), secs(10));
}

#[test]
fn what_never_started_waits_from_the_first_time() {
    let mut backoff = Backoff::new(RestartDelays::default());
    assert_eq!(backoff.after_failure(), secs(10));
    assert_eq!(backoff.after_failure(), secs(20));
}
