use serde_json::{from_value, json};

use super::*;

fn read(item: Value) -> Sample {
    from_value::<body::Item>(item).unwrap().into()
}

#[test]
fn an_item_of_smi_metrics_is_read() {
    // Its edge has no side, its counts are fractions, its latencies are milliseconds.
    let sample = read(json!({
        "kind": "TrafficMetrics", "window": "1m0s",
        "resource": {"kind": "Deployment", "namespace": "app", "name": "web"},
        "edge": {"direction": "from", "resource": null},
        "metrics": [{"name": "p99_response_latency", "unit": "ms", "value": "296875m"},
                    {"name": "p50_response_latency", "unit": "ms", "value": "162500m"},
                    {"name": "success_count", "value": "73492m"}, {"name": "failure_count", "value": "0"}],
    }));
    assert_eq!((sample.golden.p99, sample.golden.p90, sample.golden.p50), (296.875, 0.0, 162.5));
    assert_eq!((sample.golden.successes, sample.golden.success_rate()), (73.492, Some(1.0)));
    assert_eq!(sample.golden.window, Duration::from_secs(60));
    assert_eq!(sample.edge, Edge { inbound: true, side: Side::Server, peer: Ref::default() });
}

#[test]
fn an_item_of_the_specifications_example_is_read() {
    let sample = read(json!({
        "resource": {"kind": "Trafficsplit", "namespace": "app", "name": "foo"},
        "edge": {"direction": "to", "side": "client", "resource": {}},
        "backend": {"apex": "web", "name": "web-v2", "weight": "100m"},
        "metrics": [{"name": "p50_response_latency", "unit": "seconds", "value": "10m"}],
    }));
    assert_eq!(sample.resource.kind, "TrafficSplit");
    assert_eq!(sample.golden.p50, 10.0);
    assert_eq!(sample.backend, Some(Backend { apex: "web".into(), name: "web-v2".into(), weight: 0.1 }));
    assert_eq!((sample.edge.inbound, sample.golden.success_rate()), (false, None));
}

#[test]
fn an_item_of_nothing_is_one_of_zeros() {
    for item in [json!({}), json!({"resource": null, "edge": null, "window": null, "metrics": null, "backend": null})] {
        let sample = read(item);
        assert_eq!((sample.resource, sample.golden.requests()), (Ref::default(), 0.0));
    }
}

#[test]
fn figures_that_are_none_are_zero() {
    let value = |value: Value| read(json!({"metrics": [{"name": "success_count", "value": value}]})).golden.successes;
    for none in [json!(null), json!("NaN"), json!("-5"), json!({}), json!("9223372036854775808x")] {
        assert_eq!(value(none.clone()), 0.0, "{none}");
    }
    assert_eq!(value(json!(12)), 12.0);
}

#[test]
fn nothing_in_a_name_steers_a_terminal() {
    let sample = read(json!({"resource": {"name": "a\u{1b}[2Jb\u{202e}c\n", "namespace": "x".repeat(300)}}));
    assert_eq!(sample.resource.name, "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
    assert_eq!(sample.resource.namespace.len(), 253);
}
