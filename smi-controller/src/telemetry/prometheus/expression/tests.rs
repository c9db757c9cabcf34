use std::sync::Arc;

use super::*;
use crate::telemetry::source::Keep;

fn query(direction: Direction, within: Option<(Of, Arc<str>)>, keep: Keep) -> Query {
    Query { window: Duration::from_secs(30), direction, within, keep }
}

fn text(query: &Query) -> String {
    of(query, &TrustDomain::new("isthmus.local").unwrap())
}

/// What a question says of the series that it wants, and of their labels.
fn parts(query: &Query) -> (String, String) {
    let text = text(query);
    let matchers = text.split(['{', '}']).nth(1).unwrap().to_owned();
    (matchers, text.split("sum by (").nth(1).unwrap().split(')').next().unwrap().to_owned())
}

#[test]
fn only_what_is_kept_is_summed_by() {
    let own = Keep { own: true, ..Keep::default() };
    let (matchers, by) = parts(&query(Direction::Inbound, Some((Of::Own, "shop".into())), own));
    assert_eq!(matchers, r#"destination_mesh="isthmus.local",destination_namespace="shop""#);
    assert_eq!(
        by,
        "destination_namespace, destination_workload_kind, destination_workload, destination_pod, classification"
    );
    let (matchers, by) =
        parts(&query(Direction::Outbound, Some((Of::Peer, "shop".into())), Keep { peer: true, ..Keep::default() }));
    assert_eq!(
        matchers,
        r#"source_mesh="isthmus.local",destination_mesh="isthmus.local",destination_namespace="shop""#
    );
    assert!(by.starts_with("destination_mesh, destination_namespace, "), "{by}");
    let split = Keep { split: true, ..Keep::default() };
    let (matchers, by) = parts(&query(Direction::Outbound, Some((Of::Split, "shop".into())), split));
    assert_eq!(matchers, r#"source_mesh="isthmus.local",split=~"shop/.+",split!="""#);
    assert_eq!(by, "backend, split, classification");
    let service = Keep { service: true, ..Keep::default() };
    assert_eq!(parts(&query(Direction::Inbound, None, service)).1, "service, classification");
}

#[test]
fn a_name_stays_a_name() {
    let evil: Arc<str> = "a\"} or vector(1) or x{a=\"\\\n".into();
    let (own, service) = ((Of::Own, evil.clone()), (Of::Service, "a.b".into()));
    let seen = text(&query(Direction::Inbound, Some(own), Keep::default()));
    assert!(seen.contains(r#"destination_namespace="a\"} or vector(1) or x{a=\"\\\u000a""#), "{seen}");
    let seen = text(&query(Direction::Inbound, Some(service), Keep::default()));
    assert!(seen.contains(r#"service=~"a\\.b/.+""#), "{seen}");
}

/// `exact.yaml` holds what Prometheus makes of it; promtool runs it (`tests/monitoring`).
#[test]
fn what_promtool_evaluates_is_what_is_asked() {
    let file = include_str!("exact.yaml");
    let expressions: Vec<&str> = file.lines().filter_map(|line| line.trim().strip_prefix("- expr: ")).collect();
    let asked = |seconds| format!("sum ({})", counted("x_total{a=\"b\"}", Duration::from_secs(seconds)));
    assert!(expressions.len() > 5);
    for expression in expressions {
        assert!(expression == asked(30) || expression == asked(120), "{expression}\n{}\n{}", asked(30), asked(120));
    }
}
