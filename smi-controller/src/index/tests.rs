use serde_json::json;

use super::*;
use crate::{compile, testing::*};
use isthmus_core::{destination::DestinationKey, id::ObjectName};

fn facts_of(index: &mut Index, manifest: serde_json::Value) -> Facts {
    let mut facts = Facts::new();
    index.update(applied(manifest), &mut facts);
    facts
}

#[test]
fn the_same_object_again_changes_nothing() {
    let mut index = index_of([]);
    let split = object("TrafficSplit", "s", json!({"service": "web", "backends": []}));
    for manifest in [
        service("web", "10.43.0.1", &[80]),
        slice("web", &[("p80", 80)], &[("a", "10.42.0.1")]),
        pod("a", "web", "10.42.0.1"),
        split,
    ] {
        assert!(!facts_of(&mut index, manifest.clone()).is_empty());
        assert!(facts_of(&mut index, manifest).is_empty());
    }
}

#[test]
fn what_is_only_in_a_pods_status_conditions_changes_nothing() {
    let mut index = index_of([pod("a", "web", "10.42.0.1")]);
    let ready = with(pod("a", "web", "10.42.0.1"), "/status/conditions", json!([{"type": "Ready", "status": "True"}]));
    assert!(facts_of(&mut index, ready).is_empty());
}

#[test]
fn a_change_touches_only_what_depends_on_it() {
    let mut index = index_of([service("web", "10.43.0.1", &[80]), service("db", "10.43.0.2", &[80])]);
    let reads = |index: &Index, host: &str| {
        let reader = compile::Reader::new(index);
        compile::destination(&reader, "shop", &DestinationKey { host: host.into(), port: 80 });
        reader.into_parts().0
    };
    let (web, db) = (reads(&index, "10.43.0.1"), reads(&index, "10.43.0.2"));
    let split = object("TrafficSplit", "s", json!({"service": "web", "backends": [{"service": "db", "weight": 1}]}));
    let changed = facts_of(&mut index, split);
    assert!(!changed.is_disjoint(&web) && changed.is_disjoint(&db));
    let web = reads(&index, "10.43.0.1");
    let changed = facts_of(&mut index, slice("db", &[("p80", 80)], &[("a", "10.42.0.1")]));
    assert!(!changed.is_disjoint(&web) && !changed.is_disjoint(&db), "both look at db's endpoints now");
}

#[test]
fn an_address_that_nobody_had_is_remembered_as_looked_at() {
    let mut index = index_of([]);
    let reader = compile::Reader::new(&index);
    compile::destination(&reader, "shop", &DestinationKey { host: "10.43.0.7".into(), port: 80 });
    let (reads, _) = reader.into_parts();
    assert!(!facts_of(&mut index, service("late", "10.43.0.7", &[80])).is_disjoint(&reads));
}

#[test]
fn of_two_pods_with_one_address_the_newer_counts_and_one_that_is_over_does_not() {
    let newer = with(pod("b", "new", "10.42.0.5"), "/metadata/creationTimestamp", json!("2026-06-01T00:00:00Z"));
    let over = with(
        with(pod("c", "over", "10.42.0.5"), "/metadata/creationTimestamp", json!("2026-07-01T00:00:00Z")),
        "/status/phase",
        json!("Succeeded"),
    );
    let index = index_of([pod("a", "old", "10.42.0.5"), newer, over]);
    assert_eq!(index.pods.at("10.42.0.5".parse().unwrap()).unwrap().account.as_ref(), "new");
}

#[test]
fn deleting_leaves_nothing_behind() {
    let split = object("TrafficSplit", "s", json!({"service": "web", "backends": []}));
    let mut index = index_of([
        service("web", "10.43.0.1", &[80]),
        slice("web", &[("p80", 80)], &[("a", "10.42.0.1")]),
        pod("a", "web", "10.42.0.1"),
        split,
    ]);
    for (kind, name) in [("Service", "web"), ("EndpointSlice", "web-1"), ("Pod", "a"), ("TrafficSplit", "s")] {
        index.update(deleted(kind, name), &mut Facts::new());
    }
    let web = ObjectName::new("shop", "web");
    assert!(index.services.at("10.43.0.1".parse().unwrap()).is_none());
    assert!(index.pods.at("10.42.0.1".parse().unwrap()).is_none());
    assert_eq!(index.slices.of_service(&web).count() + index.splits.of_root(&web).count(), 0);
}
