use std::time::Duration;

use super::*;
use crate::views::api::{Backend, Edge, Golden, Side};

fn sample(name: &str, successes: f64, failures: f64, p99: f64) -> Sample {
    Sample {
        resource: Ref { namespace: "shop".into(), name: name.into(), kind: "Deployment".into(), mesh: None },
        edge: Edge { inbound: true, side: Side::Server, peer: Ref::default() },
        backend: None,
        golden: Golden { window: Duration::from_secs(30), successes, failures, p50: 1.0, p90: 2.5, p99 },
    }
}

fn leg(name: &str, weight: f64, requests: f64) -> Sample {
    let backend = Some(Backend { apex: "catalog".into(), name: name.into(), weight });
    Sample { backend, ..sample("catalog", requests, 0.0, 4.0) }
}

fn names(page: &Page) -> Vec<&str> {
    page.items.iter().map(|row| row.resource.name.as_str()).collect()
}

#[test]
fn the_table_tells_rates_and_what_has_none() {
    let page = Page::of(vec![sample("idle", 0.0, 0.0, 0.0), sample("web", 297.0, 3.0, 1250.0)], Sort::Rps);
    let table = "\
NAMESPACE   NAME   SUCCESS   RPS      P50       P90       P99
shop        web    99.00%    10.0/s   1.00 ms   2.50 ms   1.25 s
shop        idle   -         -        -         -         -
";
    assert_eq!(page.table(true, false), table);
}

#[test]
fn a_split_shows_what_each_backend_got_beside_what_it_was_to_get() {
    let page = Page::of(vec![leg("catalog-v2", 10.0, 11.0), leg("catalog-v1", 90.0, 89.0)], Sort::Rps);
    let table = "\
NAME      SERVICE   BACKEND      WEIGHT        SHARE    SUCCESS   RPS      P50       P90       P99
catalog   catalog   catalog-v1   90 (90.00%)   89.00%   100.00%   2.97/s   1.00 ms   2.50 ms   4.00 ms
catalog   catalog   catalog-v2   10 (10.00%)   11.00%   100.00%   0.37/s   1.00 ms   2.50 ms   4.00 ms
";
    assert_eq!(page.table(false, false), table);
}

#[test]
fn a_split_without_traffic_has_no_shares() {
    let page = Page::of(vec![leg("v1", 0.0, 0.0)], Sort::Name);
    let leg = page.items[0].backend.clone().unwrap();
    assert_eq!((leg.asked, leg.share), (None, None));
}

#[test]
fn what_is_asked_for_comes_first() {
    let all = || vec![sample("a", 10.0, 0.0, 9.0), sample("b", 20.0, 10.0, 1.0), sample("c", 0.0, 0.0, 0.0)];
    assert_eq!(names(&Page::of(all(), Sort::Rps)), ["b", "a", "c"]);
    assert_eq!(names(&Page::of(all(), Sort::Success)), ["b", "a", "c"]);
    assert_eq!(names(&Page::of(all(), Sort::P99)), ["a", "b", "c"]);
    assert_eq!(names(&Page::of(all(), Sort::Name)), ["a", "b", "c"]);
}

#[test]
fn programs_read_a_stable_shape() {
    let page = Page::of(vec![leg("v1", 1.0, 30.0)], Sort::Name);
    let item = serde_json::json!({
        "namespace": "shop", "name": "catalog", "kind": "Deployment",
        "backend": {"apex": "catalog", "name": "v1", "weight": 1.0, "asked": 1.0, "share": 1.0},
        "windowSeconds": 30.0, "requests": 30.0, "failures": 0.0, "rps": 1.0, "successRate": 1.0,
        "latencyMs": {"p50": 1.0, "p90": 2.5, "p99": 4.0},
    });
    assert_eq!(serde_json::to_value(&page).unwrap(), serde_json::json!({ "items": [item] }));
}
