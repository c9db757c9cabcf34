use serde_json::json;

use super::*;

fn is(expected: &Value, found: &Value) -> bool {
    mismatch(expected, found).is_none()
}

#[test]
fn only_what_is_named_counts() {
    let found = json!({"kind": "List", "spec": {"weight": 1.0, "name": "a"}, "items": [1, {"b": 2, "c": 3}]});
    assert!(is(&json!({}), &found));
    assert!(is(&json!({"spec": {"weight": 1}, "items": [1, {"b": 2}]}), &found));
    assert!(!is(&json!({"items": [1]}), &found));
    assert!(!is(&json!({"spec": {"weight": "1"}}), &found));
    assert_eq!(mismatch(&json!({"spec": {"port": 80}}), &found).unwrap(), ".spec.port: 80 is expected, not nothing");
    assert_eq!(mismatch(&json!({"items": [1, {"b": 3}]}), &found).unwrap(), ".items[1].b: 3 is expected, not 2");
}

#[test]
fn lists_may_be_searched() {
    let found = json!({"items": [{"n": "a", "v": 1}, {"n": "b", "v": 2}]});
    assert!(is(&json!({"items": {"$holds": [{"n": "b"}, {"n": "a", "v": 1}]}}), &found));
    assert!(!is(&json!({"items": {"$holds": [{"n": "a", "v": 2}]}}), &found));
    assert!(is(&json!({"items": {"$lacks": [{"n": "c"}]}}), &found));
    assert!(!is(&json!({"items": {"$lacks": [{"n": "a"}]}}), &found));
    assert!(is(&json!({"items": {"$count": 2}}), &found) && !is(&json!({"items": {"$count": 1}}), &found));
    assert!(!is(&json!({"items": {"$holds": [{"n": "b"}], "$count": 1}}), &found));
    // What isn't there holds nothing, and lacks everything.
    assert!(!is(&json!({"others": {"$holds": [{}]}}), &found) && is(&json!({"others": {"$lacks": [{}]}}), &found));
}

#[test]
fn numbers_may_be_within_bounds_and_fields_absent() {
    let found = json!({"count": "20", "latency": "1500m", "rate": 3.5, "name": "x"});
    for (field, low, high, within) in [
        ("count", 20, 20, true),
        ("count", 21, 30, false),
        ("latency", 1, 2, true),
        ("rate", 3, 4, true),
        ("name", 0, 9, false),
    ] {
        assert_eq!(is(&json!({field: {"$between": [low, high]}}), &found), within, "{field}");
    }
    assert!(is(&json!({"port": {"$absent": true}}), &found) && !is(&json!({"name": {"$absent": true}}), &found));
    assert!(is(&json!({"name": {"$absent": false}}), &found) && !is(&json!({"port": {"$absent": false}}), &found));
    assert!(!is(&json!({"name": {"$like": "x"}}), &found));
}
