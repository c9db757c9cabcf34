use proptest::prelude::*;

use super::{Ability::*, First::*, *};

const SECOND: Duration = Duration::from_secs(1);
const TWO: &[u8] = &[0, 1];
const NEVER: Option<Duration> = Option::None;
const OFTEN: Option<Duration> = Some(PROBE_EVERY);

fn of(abilities: &[Ability]) -> impl Fn(usize) -> Ability {
    move |tier| abilities[tier]
}

#[test]
fn the_best_tier_that_can_serve_is_used_from_the_start() {
    for (abilities, tier) in [
        ([Full, Full], 0),
        ([None, Full], 1),
        ([InDoubt, Full], 1),
        ([InDoubt, None], 0),
        ([None, InDoubt], 1),
        ([InDoubt, InDoubt], 0),
        ([None, None], 0),
    ] {
        let first = Failover::default().first(SECOND, TWO, NEVER, of(&abilities));
        assert_eq!(first, Some(Use(tier)), "{abilities:?}");
    }
    assert_eq!(Failover::default().first(SECOND, &[], OFTEN, |_| Full), Option::None);
}

#[test]
fn it_is_left_at_once_and_gone_back_to_after_a_while() {
    let mut failover = Failover::default();
    assert_eq!(failover.first(SECOND, TWO, OFTEN, of(&[Full, Full])), Some(Use(0)));
    assert_eq!(failover.first(SECOND, TWO, OFTEN, of(&[None, Full])), Some(Use(1)));
    let back = 20 * SECOND;
    assert_eq!(failover.first(back, TWO, NEVER, of(&[Full, Full])), Some(Use(1)));
    let almost = back + HOLD - SECOND;
    assert_eq!(failover.first(almost, TWO, NEVER, of(&[Full, Full])), Some(Use(1)));
    assert_eq!(failover.first(back + HOLD, TWO, NEVER, of(&[Full, Full])), Some(Use(0)));
}

#[test]
fn a_relapse_starts_the_wait_anew() {
    let mut failover = Failover::default();
    failover.first(SECOND, TWO, OFTEN, of(&[None, Full]));
    for (second, ability, tier) in
        [(2, Full, 1), (11, Full, 1), (11, InDoubt, 1), (12, Full, 1), (21, Full, 1), (22, Full, 0)]
    {
        let first = failover.first(second * SECOND, TWO, NEVER, of(&[ability, Full]));
        assert_eq!(first, Some(Use(tier)), "at {second} s");
    }
}

#[test]
fn a_better_tier_gets_a_request_now_and_then_that_could_be_sent_again() {
    let mut failover = Failover::default();
    let at = |second: f64| 100 * SECOND + SECOND.mul_f64(second);
    for (second, probe, first, expected) in [
        (0.0, OFTEN, Full, Use(0)),
        (0.1, OFTEN, None, Use(1)),
        (1.2, OFTEN, None, Use(1)),
        (1.3, NEVER, InDoubt, Use(1)),
        (1.4, Some(HOLD), InDoubt, Use(1)),
        (1.4, OFTEN, InDoubt, Probe(0)),
        (2.3, OFTEN, Full, Use(1)),
        (2.4, OFTEN, InDoubt, Probe(0)),
        (12.3, Some(HOLD), Full, Use(1)),
        (12.4, Some(HOLD), Full, Probe(0)),
    ] {
        assert_eq!(failover.first(at(second), TWO, probe, of(&[first, Full])), Some(expected), "at {second} s");
    }
    // A tier that isn't better is not probed.
    let mut failover = Failover::default();
    assert_eq!(failover.first(SECOND, TWO, OFTEN, of(&[Full, InDoubt])), Some(Use(0)));
}

#[test]
fn tiers_that_come_and_go_are_known_by_their_priority() {
    let mut failover = Failover::default();
    assert_eq!(failover.first(SECOND, &[1, 5], NEVER, of(&[None, Full])), Some(Use(1)));
    // A better one appears: it is able, but not yet for long.
    assert_eq!(failover.first(2 * SECOND, &[0, 1, 5], NEVER, of(&[Full, None, Full])), Some(Use(2)));
    assert_eq!(failover.first(2 * SECOND + HOLD, &[0, 1, 5], NEVER, of(&[Full, None, Full])), Some(Use(0)));
    // For a while there is one alone.
    failover.only(5);
    assert_eq!(failover.first(15 * SECOND, &[0, 5], NEVER, of(&[Full, Full])), Some(Use(1)));
    assert_eq!(failover.first(15 * SECOND + HOLD, &[0, 5], NEVER, of(&[Full, Full])), Some(Use(0)));
    // The one in use is gone.
    assert_eq!(failover.first(30 * SECOND, &[5], NEVER, of(&[Full])), Some(Use(0)));
}

#[test]
fn tiers_that_were_not_tried_get_an_attempt_before_there_are_none_left() {
    let offer = |open, tried| Offer { open, tried };
    let pick = |first, left, offers: &[Offer]| for_attempt(first, offers.len(), left, |tier| offers[tier]);
    let good = offer(true, false);
    assert_eq!(pick(0, 3, &[good, good]), Some(0));
    // One failed, and others of the tier are there: two attempts are left, the next tier needs one.
    assert_eq!(pick(0, 2, &[offer(true, true), good]), Some(0));
    assert_eq!(pick(0, 1, &[offer(true, true), good]), Some(1));
    assert_eq!(pick(0, 2, &[offer(true, true), good, good]), Some(1));
    assert_eq!(pick(0, 2, &[offer(false, true), good]), Some(1), "nobody is left in the tier");
    // A probe that failed goes where it would have gone.
    assert_eq!(pick(1, 2, &[offer(true, true), good]), Some(1));
    assert_eq!(pick(0, 1, &[offer(true, true), offer(false, false)]), Some(0));
    assert_eq!(pick(0, 1, &[offer(false, true), offer(false, false)]), Option::None);
}

#[derive(Debug, Clone)]
struct Step {
    pause: Duration,
    abilities: [Ability; 2],
}

fn step() -> impl Strategy<Value = Step> {
    let ability = || prop_oneof![Just(None), Just(InDoubt), Just(Full), Just(Full), Just(Full)];
    (0u64..4000, [ability(), ability()])
        .prop_map(|(pause, abilities)| Step { pause: Duration::from_millis(pause), abilities })
}

proptest! {
    /// Tiers that fail at random, the last of which never does.
    #[test]
    fn it_neither_flaps_nor_uses_what_cannot_serve(steps in prop::collection::vec(step(), 1..300)) {
        let mut failover = Failover::default();
        let (mut now, mut used) = (Duration::ZERO, Option::None);
        let mut able_since = [Option::None; 3];
        let mut returned: Option<Duration> = Option::None;
        for Step { pause, abilities: [first, second] } in steps {
            now += pause;
            let abilities = [first, second, Full];
            for (since, ability) in able_since.iter_mut().zip(abilities) {
                *since = if ability == Full { since.or(Some(now)) } else { Option::None };
            }
            let Some(picked) = failover.first(now, &[0, 1, 2], OFTEN, of(&abilities)) else { panic!("no tier") };
            let now_used = failover.used.map(usize::from).unwrap();
            prop_assert_eq!(abilities[now_used], Full);
            match picked {
                Use(tier) => prop_assert_eq!(tier, now_used),
                Probe(tier) => prop_assert!(tier < now_used && abilities[tier] > None),
            }
            if used.is_some_and(|used: usize| now_used < used && abilities[used] == Full) {
                // Back to a better one: it has been able for long; so no two returns to the best are close together.
                prop_assert!(able_since[now_used].is_some_and(|since| now - since >= HOLD));
                prop_assert!(now_used > 0 || returned.is_none_or(|last| now - last >= HOLD));
                returned = if now_used == 0 { Some(now) } else { returned };
            }
            used = Some(now_used);
        }
    }

    #[test]
    fn an_attempt_goes_where_something_is_open(
        offers in prop::collection::vec((any::<bool>(), any::<bool>()), 1..5), first in 0usize..5, left in 1u32..4
    ) {
        let offer = |tier: usize| Offer { open: offers[tier].0, tried: offers[tier].1 };
        let picked = for_attempt(first % offers.len(), offers.len(), left, offer);
        prop_assert_eq!(picked.is_some(), offers.iter().any(|(open, _)| *open));
        prop_assert!(picked.is_none_or(|tier| offers[tier].0));
    }
}
