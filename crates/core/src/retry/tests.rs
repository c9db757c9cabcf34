use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const FLOOR: u64 = FLOOR_PER_SECOND * SLOTS as u64;

fn decide(failure: Failure, made: u32, whole: bool) -> Result<Again, Final> {
    after(failure, made, whole, false, &mut Budget::new(), SECOND)
}

#[test]
fn only_what_nobody_has_begun_to_see_is_sent_again() {
    assert_eq!(decide(Failure::Lost, 1, true), Err(Final::Unsafe));
    assert_eq!(decide(Failure::Stale, 1, true), Ok(Again::Anywhere));
    assert_eq!(decide(Failure::Unreached, 1, true), Ok(Again::Elsewhere));
    assert_eq!(decide(Failure::Refused, 1, true), Ok(Again::Preferably));
}

#[test]
fn what_is_no_longer_whole_is_not_sent_again() {
    for failure in Failure::ALL {
        assert_eq!(decide(failure, 1, false), Err(Final::Unsafe), "{failure:?}");
    }
}

#[test]
fn tries_are_bounded() {
    for failure in [Failure::Stale, Failure::Unreached, Failure::Refused] {
        assert!(decide(failure, TRIES - 1, true).is_ok());
        assert_eq!(decide(failure, TRIES, true), Err(Final::Tries), "{failure:?}");
    }
}

#[test]
fn a_stale_connection_costs_no_budget() {
    let mut budget = Budget::new();
    for _ in 0..1000 {
        assert!(after(Failure::Stale, 1, true, false, &mut budget, SECOND).is_ok());
    }
    assert!(budget.spend(SECOND));
}

#[test]
fn what_moves_to_another_tier_costs_no_budget_if_nobody_took_it() {
    let mut budget = Budget::new();
    while budget.spend(SECOND) {}
    assert_eq!(after(Failure::Unreached, 2, true, true, &mut budget, SECOND), Ok(Again::Elsewhere));
    assert_eq!(after(Failure::Unreached, 2, true, false, &mut budget, SECOND), Err(Final::Budget));
    assert_eq!(after(Failure::Refused, 2, true, true, &mut budget, SECOND), Err(Final::Budget));
}

#[test]
fn a_service_that_is_down_gets_a_fifth_more_and_not_three_times_as_much() {
    let (mut budget, mut retries, mut refused) = (Budget::new(), 0_u64, 0_u64);
    // A thousand requests a second for a minute; each attempt fails.
    for n in 0..60_000_u32 {
        let now = Duration::from_millis(u64::from(n));
        budget.request(now);
        let mut made = 1;
        loop {
            match after(Failure::Unreached, made, true, false, &mut budget, now) {
                Ok(_) => made += 1,
                Err(reason) => {
                    refused += u64::from(reason == Final::Budget);
                    break;
                }
            }
        }
        retries += u64::from(made - 1);
    }
    assert!(refused > 0);
    assert!((60_000 / 5..=60_000 / 5 + 60 * FLOOR_PER_SECOND + FLOOR).contains(&retries), "{retries}");
}

#[test]
fn a_burst_of_failures_after_calm_is_retried_whole() {
    let mut budget = Budget::new();
    for n in 0..10_000_u64 {
        budget.request(Duration::from_millis(n));
    }
    // As many as the concurrency of a busy caller, all at once.
    assert!((0..500).all(|_| budget.spend(10 * SECOND)));
}

#[test]
fn a_spent_budget_comes_back_with_time() {
    let mut budget = Budget::new();
    while budget.spend(SECOND) {}
    assert!(!budget.spend(WINDOW));
    assert!(budget.spend(WINDOW + SECOND));
}

proptest! {
    /// The rings of slots say the same as a list of everything that ever happened.
    #[test]
    fn the_budget_is_that_of_a_naive_model(steps in prop::collection::vec((0u64..3000, 0u8..8), 0..400)) {
        let (mut budget, mut millis) = (Budget::new(), 0);
        let (mut requests, mut retries) = (Vec::new(), Vec::new());
        for (passed, step) in steps {
            // Mostly close together, so that the budget is met.
            millis += if passed < 2900 { passed / 100 } else { passed * 4 };
            let now = Duration::from_millis(millis);
            let recent = |all: &[u64]| all.iter().filter(|s| now.as_secs() - **s < SLOTS as u64).count() as u64;
            if step == 0 {
                budget.request(now);
                requests.push(now.as_secs());
            } else {
                let free = recent(&retries) < recent(&requests) * PERCENT / 100 + FLOOR;
                prop_assert_eq!(budget.spend(now), free);
                if free {
                    retries.push(now.as_secs());
                }
            }
        }
    }

    /// Over any stretch, retries stay below the share of its requests, the window's before it and the floor.
    #[test]
    fn retries_never_multiply_load(steps in prop::collection::vec((0u64..200, any::<bool>()), 1..600)) {
        let (mut budget, mut millis, mut requests, mut retries) = (Budget::new(), 0, 0_u64, 0_u64);
        for (passed, failing) in steps {
            millis += passed;
            let now = Duration::from_millis(millis);
            budget.request(now);
            requests += 1;
            let mut made = 1;
            while failing && after(Failure::Unreached, made, true, false, &mut budget, now).is_ok() {
                made += 1;
            }
            prop_assert!(made <= TRIES);
            retries += u64::from(made - 1);
        }
        let windows = millis / 1000 / SLOTS as u64 + 1;
        prop_assert!(retries <= requests * PERCENT / 100 + FLOOR * windows + windows);
    }

    #[test]
    fn the_rule_is_that_of_a_naive_model(
        kind in 0usize..4, made in 1u32..6, whole: bool, moved: bool, spent: bool
    ) {
        let failure = Failure::ALL[kind];
        let mut budget = Budget::new();
        while spent && budget.spend(SECOND) {}
        let expected = match (failure, whole) {
            (Failure::Lost, _) | (_, false) => Err(Final::Unsafe),
            _ if made >= TRIES => Err(Final::Tries),
            (Failure::Stale, true) => Ok(Again::Anywhere),
            (Failure::Unreached, true) if moved => Ok(Again::Elsewhere),
            _ if spent => Err(Final::Budget),
            (Failure::Refused, true) => Ok(Again::Preferably),
            (Failure::Unreached, true) => Ok(Again::Elsewhere),
        };
        prop_assert_eq!(after(failure, made, whole, moved, &mut budget, SECOND), expected);
    }
}
