use serde_json::json;

use super::*;

fn probe(value: serde_json::Value) -> Schedule {
    Schedule::of(&serde_json::from_value(value).unwrap())
}

#[test]
fn defaults_are_those_of_the_api() {
    let schedule = probe(json!({}));
    assert_eq!(
        (schedule.initial_delay, schedule.period, schedule.timeout),
        (Duration::ZERO, Duration::from_secs(10), Duration::from_secs(1))
    );
    assert_eq!((schedule.success_threshold, schedule.failure_threshold), (1, 3));
    assert_eq!(probe(json!({"periodSeconds": -5, "timeoutSeconds": 0})), schedule);
}

#[test]
fn thresholds_count_answers_in_a_row() {
    let mut verdicts = Verdicts::new(probe(json!({"successThreshold": 2, "failureThreshold": 3})), false);
    let answers = [true, false, true, true, true, false, false, true, false, false, false, false, false, false];
    let told: Vec<Option<bool>> = answers.into_iter().map(|answer| verdicts.take(answer)).collect();
    let mut expected = vec![None; 14];
    expected[3] = Some(true);
    expected[10] = Some(false);
    expected[13] = Some(false);
    assert_eq!(told, expected);
}

#[test]
fn liveness_says_nothing_while_all_is_well() {
    let mut verdicts = Verdicts::new(probe(json!({})), true);
    assert_eq!(
        [true, true, false, false, false].map(|answer| verdicts.take(answer)),
        [None, None, None, None, Some(false)]
    );
}
