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

/// What an endpoint does with its requests.
#[derive(Clone, Copy)]
enum Does {
    /// Answers each in this time.
    Answer(Duration),
    /// Loses each at once.
    Lose,
}

/// A caller and its endpoints on a simulated clock.
struct Simulation {
    chance: Chance,
    loads: Vec<Load>,
    now: Duration,
    /// When each open request ends, at which endpoint, and what its latency is.
    open: Vec<(Duration, usize, Option<Duration>)>,
    ejected: Vec<Duration>,
}

impl Simulation {
    fn new(endpoints: usize) -> Self {
        Self {
            chance: Chance(0x9e37_79b9_7f4a_7c15),
            loads: vec![Load::new(Duration::ZERO); endpoints],
            now: Duration::ZERO,
            open: Vec::new(),
            ejected: Vec::new(),
        }
    }

    /// A request every `gap`; the picks of each endpoint, and the most requests that one of them had under way.
    fn run(&mut self, does: &[Does], gap: Duration, requests: u32) -> (Vec<u32>, Vec<u32>) {
        let mut picks = vec![0; does.len()];
        let mut most = vec![0; does.len()];
        for _ in 0..requests {
            self.now += gap;
            self.settle();
            let (now, loads) = (self.now, &self.loads);
            let index = choose(loads.len(), self.chance.next(), |i| Some(loads[i].standing(now))).unwrap();
            self.loads[index].begin();
            picks[index] += 1;
            most[index] = most[index].max(self.loads[index].pending());
            match does[index] {
                Does::Answer(took) => self.open.push((now + took, index, Some(took))),
                Does::Lose => {
                    if self.loads[index].lose(now) {
                        self.ejected.push(now);
                    }
                    self.loads[index].end(now, None);
                }
            }
        }
        (picks, most)
    }

    fn settle(&mut self) {
        let (now, loads) = (self.now, &mut self.loads);
        self.open.retain(|&(at, index, latency)| {
            if at <= now {
                loads[index].end(at, latency);
            }
            at > now
        });
    }
}

fn simulate(latencies: &[Duration], gap: Duration, requests: u32) -> Vec<u32> {
    let does: Vec<Does> = latencies.iter().map(|l| Does::Answer(*l)).collect();
    Simulation::new(latencies.len()).run(&does, gap, requests).0
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
    let before = load.standing(MS).cost();
    load.end(2 * MS, Some(500 * MS));
    assert!(load.standing(2 * MS).cost() > 400.0 * before);
    load.end(3 * MS, Some(MS));
    assert!(load.standing(3 * MS).cost() > 300.0 * before);
    assert!(load.standing(DECAY * 5).cost() < 10.0 * before);
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
fn one_that_comes_back_is_in_doubt_and_gets_one_request_at_a_time() {
    let mut load = Load::new(Duration::ZERO);
    assert!(!load.is_in_doubt());
    load.fail(Duration::ZERO);
    let standing = load.standing(FIRST_BAR);
    assert!(standing.in_doubt && standing.is_open());
    load.put_to_trial(FIRST_BAR);
    assert!(!load.standing(FIRST_BAR).is_open() && !load.standing(FIRST_BAR + TRIAL - MS).is_open());
    assert!(load.standing(FIRST_BAR + TRIAL).is_open(), "what became of it was never heard");
    load.end(FIRST_BAR + MS, Some(MS));
    let standing = load.standing(FIRST_BAR + MS);
    assert!(standing.is_open() && !standing.in_doubt);
    // The same after an ejection.
    (0..LOST_IN_A_ROW).for_each(|_| _ = load.lose(MS));
    assert!(load.is_in_doubt());
    load.end(FIRST_EJECTION, Some(MS));
    assert!(!load.is_in_doubt());
    // A connection alone is enough for who was barred, and not for who was ejected.
    load.fail(Duration::ZERO);
    load.reach(MS);
    assert!(!load.is_in_doubt() && !load.is_barred(MS));
    (0..LOST_IN_A_ROW).for_each(|_| _ = load.lose(MS));
    load.reach(MS);
    assert!(load.is_in_doubt() && load.is_ejected(MS));
}

#[test]
fn what_is_behind_a_barred_gateway_is_barred_with_it() {
    let (load, mut gateway) = (Load::new(Duration::ZERO), Bar::default());
    assert_eq!(load.standing(MS).behind(&gateway, MS), load.standing(MS));
    gateway.fail(Duration::ZERO);
    let standing = load.standing(MS).behind(&gateway, MS);
    assert!(!standing.is_open() && standing.barred_until == Some(FIRST_BAR));
    let standing = load.standing(FIRST_BAR).behind(&gateway, FIRST_BAR);
    assert!(standing.is_open() && standing.in_doubt);
    gateway.lift(FIRST_BAR);
    assert!(!load.standing(FIRST_BAR).behind(&gateway, FIRST_BAR).in_doubt);
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

#[test]
fn a_new_endpoint_is_met_gently_and_gets_its_full_part() {
    let answer = Does::Answer(20 * MS);
    let mut simulation = Simulation::new(4);
    simulation.run(&[answer; 4], MS, 15_000);
    simulation.loads.push(Load::new(simulation.now));
    // A second at a time: of a thousand requests a fifth is the full part.
    let parts: Vec<u32> = (0..12).map(|_| simulation.run(&[answer; 5], MS, 1000).0[4]).collect();
    assert!(parts[0] < 60 && parts[0] > 0, "{parts:?}");
    assert!(parts[4] < 150 && parts[4] > parts[0], "{parts:?}");
    assert!((140..260).contains(&parts[11]), "{parts:?}");
}

#[test]
fn no_herd_falls_upon_a_new_endpoint_that_is_slow() {
    // It looks free and fast until its first answer, which takes long.
    let mut does = vec![Does::Answer(5 * MS); 9];
    let mut simulation = Simulation::new(9);
    simulation.run(&does, MS, 15_000);
    simulation.loads.push(Load::new(simulation.now));
    does.push(Does::Answer(2000 * MS));
    let (picks, most) = simulation.run(&does, MS, 10_000);
    assert!(most[9] <= 20, "{most:?}");
    assert!(picks[9] > 0 && picks[9] < 200, "{picks:?}");
}

#[test]
fn an_endpoint_that_loses_requests_is_ejected_and_comes_back_slowly() {
    let good = Does::Answer(5 * MS);
    let mut simulation = Simulation::new(4);
    simulation.run(&[good; 4], MS, 12_000);
    let (picks, _) = simulation.run(&[good, good, good, Does::Lose], MS, 10_000);
    // Five at first, and one for each time that it was let in again.
    assert!((5..=20).contains(&picks[3]), "{picks:?}");
    // It mends: it isn't called before its time is over, and then more and more.
    let until = simulation.loads[3].ejected_until;
    let wait = u32::try_from((until.saturating_sub(simulation.now)).as_millis()).unwrap();
    assert_eq!(simulation.run(&[good; 4], MS, wait.saturating_sub(2)).0[3], 0);
    let back: Vec<u32> = (0..12).map(|_| simulation.run(&[good; 4], MS, 1000).0[3]).collect();
    assert!(back[0] < 80 && (190..310).contains(&back[11]), "{back:?}");
}

#[test]
fn ejections_grow_longer_and_are_forgotten_in_time() {
    let mut load = Load::new(Duration::ZERO);
    let lose = |load: &mut Load, now| (0..LOST_IN_A_ROW).any(|_| load.lose(now));
    assert!(lose(&mut load, Duration::ZERO));
    assert!(load.is_ejected(FIRST_EJECTION - MS) && !load.is_ejected(FIRST_EJECTION));
    // The first request that is tried again and lost is enough.
    assert!(load.lose(FIRST_EJECTION));
    assert!(load.is_ejected(FIRST_EJECTION * 3 - MS) && !load.is_ejected(FIRST_EJECTION * 3));
    let mut now = FIRST_EJECTION * 3;
    for _ in 0..20 {
        assert!(load.lose(now));
        now = load.ejected_until;
    }
    assert_eq!(load.ejected_until, now);
    assert!(load.lose(now) && load.ejected_until == now + LONGEST_EJECTION);
    let later = load.ejected_until + LONGEST_EJECTION + MS;
    assert!(load.lose(later) && load.ejected_until == later + FIRST_EJECTION);
}

#[test]
fn an_answer_between_losses_is_a_new_start() {
    let mut load = Load::new(Duration::ZERO);
    for n in 0..100 {
        assert!(!load.lose(n * MS));
        if n % (LOST_IN_A_ROW - 1) == LOST_IN_A_ROW - 2 {
            load.end(n * MS, Some(MS));
        }
    }
}

#[test]
fn not_all_are_ever_ejected() {
    for endpoints in 1..8_usize {
        let mut simulation = Simulation::new(endpoints);
        let (picks, _) = simulation.run(&vec![Does::Lose; endpoints], MS, 4000);
        assert_eq!(picks.iter().sum::<u32>(), 4000);
        // Half of them and more are in use at every moment: each gets its part.
        assert!(picks.iter().filter(|p| **p > 400 / endpoints as u32).count() * 2 >= endpoints, "{picks:?}");
    }
}

#[test]
fn when_half_are_ejected_the_others_have_it_all() {
    let mut loads = vec![Load::new(Duration::ZERO); 4];
    let mut chance = Chance(11);
    for _ in 0..LOST_IN_A_ROW {
        loads[0].lose(MS);
        loads[3].lose(MS);
    }
    for _ in 0..200 {
        let picked = choose(4, chance.next(), |i| Some(loads[i].standing(2 * MS))).unwrap();
        assert!(picked == 1 || picked == 2, "{picked}");
    }
    for _ in 0..LOST_IN_A_ROW {
        loads[1].lose(MS);
    }
    let picked: std::collections::BTreeSet<_> =
        (0..200).filter_map(|_| choose(4, chance.next(), |i| Some(loads[i].standing(2 * MS)))).collect();
    assert_eq!(picked.len(), 4);
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
    fn costs_stay_finite_and_pending_balances(steps in prop::collection::vec((0u64..1 << 50, 0u8..5), 0..60)) {
        let mut load = Load::new(Duration::ZERO);
        for (time, step) in steps {
            let now = Duration::from_nanos(time);
            match step {
                0 => load.begin(),
                1 => load.end(now, Some(now)),
                2 => load.end(now, None),
                3 => {
                    load.lose(now);
                }
                _ => load.fail(now),
            }
            let standing = load.standing(now);
            prop_assert!(standing.cost().is_finite() && standing.cost() >= 1.0);
            prop_assert!((COLDEST..=1.0).contains(&standing.warmth));
        }
    }

    /// Whatever the states, the choice is among those that a plain reading of the rules leaves.
    #[test]
    fn a_choice_is_that_of_a_naive_model(
        states in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>(), 0u32..5), 1..12), chance: u64
    ) {
        let loads: Vec<(bool, Load)> = states.iter().enumerate().map(|(n, (used, barred, ejected, pending))| {
            let mut load = Load::new(Duration::ZERO);
            (0..*pending).for_each(|_| load.begin());
            if *barred {
                load.fail(n as u32 * MS);
            }
            (0..LOST_IN_A_ROW).filter(|_| *ejected).for_each(|_| _ = load.lose(MS));
            (*used, load)
        }).collect();
        let now = 100 * MS;
        let usable: Vec<usize> = (0..loads.len()).filter(|i| loads[*i].0).collect();
        let free: Vec<usize> = usable.iter().copied().filter(|i| !loads[*i].1.is_barred(now)).collect();
        let ejected = usable.iter().filter(|i| loads[**i].1.is_ejected(now)).count();
        let kept: Vec<usize> = free.iter().copied().filter(|i| !loads[*i].1.is_ejected(now)).collect();
        let allowed = if free.is_empty() {
            let first = usable.iter().copied().min_by_key(|i| loads[*i].1.bar.until(Duration::ZERO));
            first.into_iter().collect()
        } else if ejected * 2 <= loads.len() && !kept.is_empty() {
            kept
        } else {
            free
        };
        let picked = choose(loads.len(), chance, |i| loads[i].0.then(|| loads[i].1.standing(now)));
        prop_assert_eq!(picked.is_none(), allowed.is_empty());
        prop_assert!(picked.is_none_or(|i| allowed.contains(&i)));
    }

    #[test]
    fn two_draws_differ(count in 2usize..100, chance: u64) {
        let (a, b) = two_of(count, chance).unwrap();
        prop_assert!(a != b && a < count && b < count);
    }
}
