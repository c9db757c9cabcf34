use super::*;

fn node(name: &str, owners: &[(&str, bool)], deleting: bool, finalizers: &[&str]) -> Node {
    let owner = |(uid, blocks): &(&str, bool)| Owner {
        api_version: "v1".into(),
        kind: "Thing".into(),
        name: (*uid).to_owned(),
        uid: (*uid).to_owned(),
        blocks: *blocks,
    };
    Node {
        object: Object { kind: 0, namespace: Some("n".into()), name: name.into() },
        owners: owners.iter().map(owner).collect(),
        deleting,
        finalizers: finalizers.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn graph(nodes: &[(&str, Node)]) -> Graph {
    let mut graph = Graph::default();
    for (uid, node) in nodes {
        graph.put((*uid).to_owned(), node.clone());
    }
    graph
}

fn uids(decision: &Decision) -> Vec<&str> {
    match decision {
        Decision::Look(uids) | Decision::Orphan(uids) | Decision::Disown(uids) => {
            uids.iter().map(String::as_str).collect()
        }
        Decision::Delete { absent, .. } => absent.iter().map(|owner| owner.uid.as_str()).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn what_has_no_owner_or_one_that_is_there_stays() {
    let graph = graph(&[("a", node("a", &[], false, &[])), ("b", node("b", &[("a", true)], false, &[]))]);
    assert_eq!(graph.decide("a"), Decision::Keep);
    assert_eq!(graph.decide("b"), Decision::Keep);
    assert_eq!(graph.decide("nobody"), Decision::Keep);
}

#[test]
fn what_belonged_to_a_gone_owner_goes() {
    let mut graph = graph(&[("a", node("a", &[], false, &[])), ("b", node("b", &[("a", true)], false, &[]))]);
    assert_eq!(graph.remove("a"), ["b"]);
    let decision = graph.decide("b");
    assert_eq!(uids(&decision), ["a"]);
    assert!(matches!(decision, Decision::Delete { policy: PropagationPolicy::Background, .. }));
}

#[test]
fn one_owner_that_stays_is_enough() {
    let owners = &[("a", true), ("gone", true), ("going", true)];
    let graph = graph(&[
        ("a", node("a", &[], false, &[])),
        ("going", node("going", &[], true, &[FOREGROUND])),
        ("b", node("b", owners, false, &[])),
    ]);
    assert_eq!(graph.decide("b"), Decision::Disown(vec!["going".into()]));
}

#[test]
fn a_foreground_deletion_waits_for_those_that_block_it() {
    let mut graph = graph(&[
        ("a", node("a", &[], true, &[FOREGROUND])),
        ("b", node("b", &[("a", true)], false, &[])),
        ("c", node("c", &[("a", false)], false, &[])),
        ("d", node("d", &[("b", true)], false, &[])),
    ]);
    assert_eq!(graph.decide("a"), Decision::Look(vec!["b".into(), "c".into()]));
    // Those that have dependents of their own go in the foreground too.
    assert!(
        matches!(graph.decide("b"), Decision::Delete { policy: PropagationPolicy::Foreground, absent } if absent.is_empty())
    );
    assert!(matches!(graph.decide("c"), Decision::Delete { policy: PropagationPolicy::Background, .. }));
    graph.remove("d");
    assert_eq!(graph.remove("b"), ["a"]);
    assert_eq!(graph.decide("a"), Decision::Release(FOREGROUND));
}

#[test]
fn orphans_are_let_go() {
    let mut graph = graph(&[("a", node("a", &[], true, &[ORPHAN])), ("b", node("b", &[("a", true)], false, &[]))]);
    assert_eq!(graph.decide("a"), Decision::Orphan(vec!["b".into()]));
    assert_eq!(graph.put("b".into(), node("b", &[], false, &[])), ["a", "b"]);
    assert_eq!(graph.decide("b"), Decision::Keep);
    assert_eq!(graph.decide("a"), Decision::Orphan(vec![]));
}

#[test]
fn what_is_being_deleted_already_is_not_deleted_again() {
    let graph = graph(&[("b", node("b", &[("gone", true)], true, &["example.com/x"]))]);
    assert_eq!(graph.decide("b"), Decision::Keep);
}
