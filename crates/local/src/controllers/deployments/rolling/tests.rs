use proptest::prelude::*;

use super::*;

fn limits(desired: i32, surge: &str, unavailable: &str) -> Limits {
    let spec: DeploymentSpec = serde_json::from_value(serde_json::json!({
        "replicas": desired, "selector": {}, "template": {},
        "strategy": { "type": "RollingUpdate", "rollingUpdate": {
            "maxSurge": serde_json::from_str::<serde_json::Value>(surge).unwrap(),
            "maxUnavailable": serde_json::from_str::<serde_json::Value>(unavailable).unwrap(),
        } },
    }))
    .unwrap();
    Limits::of(&spec)
}

#[test]
fn shares_round_up_for_surge_and_down_for_absence() {
    for (desired, surge, unavailable, wanted) in [
        (10, "\"25%\"", "\"25%\"", (3, 2)),
        (1, "\"25%\"", "\"25%\"", (1, 0)),
        (3, "0", "0", (0, 1)),
        (4, "2", "\"50%\"", (2, 2)),
        (2, "1", "5", (1, 2)),
        (0, "\"25%\"", "\"25%\"", (0, 0)),
    ] {
        let limits = limits(desired, surge, unavailable);
        let wanted_unavailable = if desired == 0 { limits.unavailable } else { wanted.1 };
        assert_eq!(
            (limits.surge, limits.unavailable),
            (wanted.0, wanted_unavailable),
            "{desired} {surge} {unavailable}"
        );
    }
}

fn old(replicas: i32, available: i32) -> Set {
    Set { is_current: false, replicas, available }
}

fn new(replicas: i32, available: i32) -> Set {
    Set { is_current: true, replicas, available }
}

/// Rows as Kubernetes' own controller goes through them, 10 replicas, 25% and 25%.
#[test]
fn steps_of_a_rolling_update() {
    let limits = Limits { desired: 10, surge: 3, unavailable: 2 };
    for (sets, wanted) in [
        (vec![old(10, 10), new(0, 0)], vec![10, 3]),
        (vec![old(10, 10), new(3, 0)], vec![8, 3]),
        (vec![old(8, 8), new(3, 0)], vec![8, 5]),
        (vec![old(8, 8), new(5, 0)], vec![8, 5]),
        (vec![old(8, 8), new(5, 3)], vec![5, 5]),
        (vec![old(0, 0), new(10, 10)], vec![0, 10]),
        // Broken old pods go first.
        (vec![old(4, 0), old(8, 8), new(1, 0)], vec![0, 8, 1]),
    ] {
        let next = step(&sets, &limits);
        assert_eq!(next, wanted, "{sets:?}");
    }
}

#[test]
fn without_an_update_only_the_number_counts() {
    let limits = Limits { desired: 3, surge: 1, unavailable: 0 };
    assert_eq!(step(&[new(0, 0)], &limits), [3]);
    assert_eq!(step(&[new(5, 5)], &limits), [3]);
    assert_eq!(scale_only(&[old(5, 5), new(1, 1)], &limits), [3, 1]);
    assert_eq!(scale_only(&[old(1, 1), new(1, 1)], &limits), [1, 2]);
}

#[test]
fn recreate_waits_for_the_old_to_be_gone() {
    let limits = Limits { desired: 3, surge: 0, unavailable: 0 };
    assert_eq!(recreate(&[old(3, 3), new(0, 0)], &limits, false), [0, 0]);
    assert_eq!(recreate(&[old(0, 0), new(0, 0)], &limits, true), [0, 3]);
}

proptest! {
    /// However pods come and go, a rollout keeps to its limits and comes to its end.
    #[test]
    fn rollouts_keep_their_limits_and_end(
        desired in 0..12i32,
        surge in 0..4i32,
        unavailable in 0..4i32,
        starts in prop::collection::vec(0..8i32, 0..3),
        pace in 1..4i32,
    ) {
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable.min(desired.max(1)) };
        let limits = Limits { desired, surge, unavailable };
        let mut sets: Vec<Set> = starts.iter().map(|n| old(*n, *n)).collect();
        sets.push(new(0, 0));
        let begin = total(&sets, |set| set.replicas);
        for _ in 0..500 {
            let available = total(&sets, |set| set.available);
            let next = step(&sets, &limits);
            let sum = next.iter().sum::<i32>();
            prop_assert!(sum <= limits.most().max(begin), "{sets:?} -> {next:?}");
            for (set, replicas) in sets.iter_mut().zip(&next) {
                set.replicas = *replicas;
                set.available = set.available.min(*replicas);
            }
            let kept = total(&sets, |set| set.available);
            prop_assert!(kept >= limits.least().min(available), "{sets:?}: {kept} of {available}");
            if sets.iter().all(|set| set.replicas == if set.is_current { desired } else { 0 }) {
                return Ok(());
            }
            for set in &mut sets {
                set.available = set.available.saturating_add(pace).min(set.replicas);
            }
        }
        prop_assert!(false, "no end: {sets:?}");
    }
}
