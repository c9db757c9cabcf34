use super::*;
use crate::catalog::testing::{exports, name, service};

fn merged(clusters: &[(&str, Exports)]) -> Merged {
    let clusters: Vec<(Cluster, Arc<Exports>)> =
        clusters.iter().map(|(of, exports)| (of.parse().unwrap(), Arc::new(exports.clone()))).collect();
    merge(clusters.iter().map(|(of, exports)| (of, exports))).remove(&name("web")).unwrap()
}

fn cluster(name: &str) -> Cluster {
    name.parse().unwrap()
}

#[test]
fn equal_services_of_several_clusters_are_one_with_all_endpoints() {
    let web = |tokens: &[&str]| exports(&[("web", service(1, &[(80, "http")], tokens))]);
    let merged = merged(&[("west-1", web(&["a"])), ("west-2", web(&["b", "c"]))]);
    assert_eq!(merged.conflicts, []);
    assert_eq!(merged.ports.keys().copied().collect::<Vec<_>>(), [80]);
    assert_eq!(merged.clusters.values().map(|part| part.endpoints.len()).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn where_they_differ_the_oldest_export_counts_and_the_difference_is_told() {
    let young = exports(&[("web", service(9, &[(80, "web")], &["a"]))]);
    let old = exports(&[("web", service(3, &[(80, "http")], &["b"]))]);
    let merged = merged(&[("west-1", young), ("west-2", old)]);
    assert_eq!(merged.ports[&80].name, "http");
    let conflict =
        |field| Conflict { service: name("web"), port: 80, winner: cluster("west-2"), loser: cluster("west-1"), field };
    assert_eq!(merged.conflicts, [conflict(Field::Name)]);
    // The number is the same: its endpoints serve nevertheless.
    assert!(merged.clusters[&cluster("west-1")].endpoints.values().all(|e| e.ready.contains(&80)));
}

#[test]
fn a_name_under_another_number_has_no_endpoints_there() {
    let old = exports(&[("web", service(3, &[(80, "http")], &["a"]))]);
    let young = exports(&[("web", service(9, &[(8080, "http"), (90, "admin")], &["b"]))]);
    let merged = merged(&[("west-1", old), ("west-2", young)]);
    assert_eq!(merged.ports.keys().copied().collect::<Vec<_>>(), [80, 90]);
    assert_eq!(merged.conflicts.iter().map(|c| (c.port, c.field)).collect::<Vec<_>>(), [(8080, Field::Number)]);
    let ready: Vec<_> = merged.clusters[&cluster("west-2")].endpoints.values().map(|e| e.ready.clone()).collect();
    assert_eq!(ready, [[90].into()]);
}

#[test]
fn exports_of_the_same_age_are_told_apart_by_name_alike_on_every_side() {
    let one = exports(&[("web", service(5, &[(80, "a")], &["a"]))]);
    let two = exports(&[("web", service(5, &[(80, "b")], &["b"]))]);
    let forth = merged(&[("west-1", one.clone()), ("west-2", two.clone())]);
    let back = merged(&[("west-2", two), ("west-1", one)]);
    assert_eq!(forth, back);
    assert_eq!(forth.ports[&80].name, "a");
}
