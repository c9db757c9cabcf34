use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A small generator, so that a failing run can be repeated.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Endpoints that answer one request at a time in a fixed latency, a request every `gap`; returns the picks of each.
fn simulate(latencies: &[Duration], gap: Duration, requests: u32) -> Vec<u32> {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut loads = vec![Load::new(Duration::ZERO); latencies.len()];
    let mut picks = vec![0; latencies.len()];
    let mut ends: Vec<(Duration, usize, Duration)> = Vec::new();
    for n in 0..requests {
        let now = gap * n;
        ends.retain(|&(at, index, took)| {
            let over = at <= now;
            if over {
                loads[index].end(at, Some(took));
            }
            !over
        });
        let index = choose(loads.len(), chance.next(), |i| Some(loads[i].standing(now))).unwrap();
        loads[index].begin();
        picks[index] += 1;
        ends.push((now + latencies[index], index, latencies[index]));
    }
    picks
}

#[test]
fn equal_endpoints_share_evenly() {
    let picks = simulate(&[5 * MS; 4], MS, 8000);
    assert!(picks.iter().all(|p| (1700..2300).contains(p)), "{picks:?}");
}

#[test]
fn a_slow_endpoint_gets_little() {
    let picks = simulate(&[5 * MS, 5 * MS, 200 * MS], MS, 9000);
    assert!(picks[2] < 600, "{picks:?}");
    assert!(picks[2] > 0, "it must still be tried now and then: {picks:?}");
}

#[test]
fn a_peak_is_believed_at_once_and_forgotten_slowly() {
    let mut load = Load::new(Duration::ZERO);
    load.end(MS, Some(MS));
    let before = load.cost(MS);
    load.end(2 * MS, Some(500 * MS));
    assert!(load.cost(2 * MS) > 400.0 * before);
    load.end(3 * MS, Some(MS));
    assert!(load.cost(3 * MS) > 300.0 * before);
    assert!(load.cost(DECAY * 5) < 10.0 * before);
}

#[test]
fn connect_failures_bar_longer_each_time_and_success_forgives() {
    let mut load = Load::new(Duration::ZERO);
    load.fail(Duration::ZERO);
    assert!(load.is_barred(FIRST_BAR - MS) && !load.is_barred(FIRST_BAR));
    load.fail(FIRST_BAR);
    assert!(load.is_barred(FIRST_BAR * 3 - MS) && !load.is_barred(FIRST_BAR * 3));
    for _ in 0..100 {
        load.fail(Duration::ZERO);
    }
    assert!(!load.is_barred(LONGEST_BAR));
    load.begin();
    load.end(MS, Some(MS));
    assert!(!load.is_barred(MS));
    load.fail(MS);
    assert!(!load.is_barred(MS + FIRST_BAR));
}

#[test]
fn barred_endpoints_are_the_last_resort() {
    let mut loads = vec![Load::new(Duration::ZERO); 3];
    loads[0].fail(Duration::ZERO);
    loads[1].fail(Duration::ZERO);
    let mut chance = Chance(7);
    for _ in 0..100 {
        assert_eq!(choose(3, chance.next(), |i| Some(loads[i].standing(MS))), Some(2));
    }
    loads[2].fail(MS);
    loads[1].fail(MS);
    assert_eq!(choose(3, chance.next(), |i| Some(loads[i].standing(2 * MS))), Some(0), "the first to be let in again");
    assert_eq!(choose(3, 1, |i| (i == 1).then(|| loads[i].standing(2 * MS))), Some(1), "the only one not tried");
    assert_eq!(choose(3, 1, |_| None), None);
    assert_eq!(choose(0, 1, |i| Some(loads[i].standing(MS))), None);
}

proptest! {
    #[test]
    fn a_choice_is_always_a_usable_endpoint(
        used in prop::collection::vec(any::<bool>(), 0..20), chance: u64, failed in prop::collection::vec(any::<bool>(), 20)
    ) {
        let mut loads = vec![Load::new(Duration::ZERO); used.len()];
        for (load, _) in loads.iter_mut().zip(&failed).filter(|(_, failed)| **failed) {
            load.fail(Duration::ZERO);
        }
        let picked = choose(loads.len(), chance, |i| used[i].then(|| loads[i].standing(MS)));
        prop_assert_eq!(picked.is_some(), used.iter().any(|u| *u));
        prop_assert!(picked.is_none_or(|i| used[i]));
        let free = (0..used.len()).any(|i| used[i] && !failed[i]);
        prop_assert!(!free || picked.is_some_and(|i| !failed[i]));
    }

    #[test]
    fn costs_stay_finite_and_pending_balances(steps in prop::collection::vec((0u64..1 << 50, 0u8..4), 0..60)) {
        let mut load = Load::new(Duration::ZERO);
        for (time, step) in steps {
            let now = Duration::from_nanos(time);
            match step {
                0 => load.begin(),
                1 => load.end(now, Some(now)),
                2 => load.end(now, None),
                _ => load.fail(now),
            }
            let cost = load.cost(now);
            prop_assert!(cost.is_finite() && cost >= 1.0);
        }
    }

    #[test]
    fn two_draws_differ(count in 2usize..100, chance: u64) {
        let (a, b) = two_of(count, chance).unwrap();
        prop_assert!(a != b && a < count && b < count);
    }
}
