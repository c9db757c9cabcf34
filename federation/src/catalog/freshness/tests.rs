use super::*;
use crate::limits::{DEFAULT_MAX_STALE, HEARTBEAT};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn fresh_then_stale_then_expired_and_fresh_again_with_a_sign_of_life() {
    let start = Instant::now();
    let mut pulse = Pulse::begin(7, start);
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    for (seconds, expected) in [
        (0, Freshness::Fresh),
        (30, Freshness::Fresh),
        (31, Freshness::Stale),
        (3600, Freshness::Stale),
        (3601, Freshness::Expired),
    ] {
        assert_eq!(pulse.freshness(at(seconds), DEFAULT_MAX_STALE), expected, "after {seconds} s");
    }
    assert!(pulse.beat(7, 1, at(3601)));
    assert_eq!(pulse.freshness(at(3601), DEFAULT_MAX_STALE), Freshness::Fresh);
}

#[test]
fn a_sign_of_life_that_was_kept_and_sent_again_says_nothing() {
    let start = Instant::now();
    let mut pulse = Pulse::begin(7, start);
    assert!(pulse.beat(7, 1, start + HEARTBEAT) && pulse.beat(7, 2, start + 2 * HEARTBEAT));
    for (sequence, counter) in [(7, 2), (7, 1), (6, 99), (0, 0)] {
        assert!(!pulse.beat(sequence, counter, start + 100 * SECOND), "{sequence} {counter}");
    }
    assert_eq!(pulse.age(start + 100 * SECOND), 90 * SECOND);
}

#[test]
fn what_was_kept_over_a_restart_is_stale_until_its_exporter_is_heard() {
    let start = Instant::now();
    let mut pulse = Pulse::resume(7, Duration::ZERO, start);
    assert_eq!(pulse.freshness(start, DEFAULT_MAX_STALE), Freshness::Stale);
    assert_eq!(Pulse::resume(7, 2 * DEFAULT_MAX_STALE, start).freshness(start, DEFAULT_MAX_STALE), Freshness::Expired);
    assert!(!pulse.beat(6, 1000, start), "of an older catalog");
    assert!(pulse.beat(7, 1, start));
    assert_eq!(pulse.freshness(start, DEFAULT_MAX_STALE), Freshness::Fresh);
}

#[test]
fn the_next_change_is_when_it_changes() {
    let start = Instant::now();
    let pulse = Pulse::begin(1, start);
    let stale = start + pulse.next_change(start, DEFAULT_MAX_STALE).unwrap();
    assert_eq!(pulse.freshness(stale, DEFAULT_MAX_STALE), Freshness::Stale);
    let expired = stale + pulse.next_change(stale, DEFAULT_MAX_STALE).unwrap();
    assert_eq!(pulse.freshness(expired, DEFAULT_MAX_STALE), Freshness::Expired);
    assert_eq!(pulse.next_change(expired, DEFAULT_MAX_STALE), None);
}

#[test]
fn an_import_that_allows_less_than_the_lease_is_never_stale() {
    let start = Instant::now();
    let pulse = Pulse::begin(1, start);
    let allowed = 10 * SECOND;
    assert_eq!(pulse.freshness(start + allowed, allowed), Freshness::Fresh);
    assert_eq!(pulse.freshness(start + allowed + SECOND, allowed), Freshness::Expired);
    let change = pulse.next_change(start, allowed).unwrap();
    assert_eq!(pulse.freshness(start + change, allowed), Freshness::Expired);
}
