use std::time::Duration;

use super::*;
use crate::views::api::{Edge, Golden};

/// `east:shop/web`, `shop/web`, `web`; empty for nobody.
pub(in super::super) fn named(text: &str) -> Ref {
    let (mesh, rest) = text.split_once(':').map_or((None, text), |(mesh, rest)| (Some(mesh.to_owned()), rest));
    let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
    Ref { mesh, namespace: namespace.into(), name: name.into(), kind: "Deployment".into() }
}

pub(in super::super) fn sample(from: &str, to: &str, side: Side, successes: f64, failures: f64) -> Sample {
    let inbound = side == Side::Server;
    let (own, peer) = if inbound { (to, from) } else { (from, to) };
    Sample {
        resource: named(own),
        edge: Edge { inbound, side, peer: named(peer) },
        backend: None,
        golden: Golden { window: Duration::from_secs(10), successes, failures, p50: 1.0, p90: 2.0, p99: 4.0 },
    }
}

/// A graph of `from -> to` pairs, each of ten requests a second.
pub(in super::super) fn graph(pairs: &[(&str, &str)]) -> Graph {
    let edges = pairs.iter().map(|(from, to)| sample(from, to, Side::Client, 100.0, 0.0)).collect();
    Graph::of(Gathered { items: Vec::new(), edges })
}

#[test]
fn what_both_ends_have_seen_is_one_link_as_the_caller_has_it() {
    let edges = vec![
        sample("web", "catalog", Side::Server, 90.0, 0.0),
        sample("web", "catalog", Side::Client, 90.0, 10.0),
        sample("web", "idle", Side::Client, 0.0, 0.0),
    ];
    let graph = Graph::of(Gathered { items: vec![named("alone"), named("web")], edges });
    let names: Vec<_> = graph.nodes.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["alone", "catalog", "web"]);
    let [link] = &graph.links[..] else { panic!("{:?}", graph.links) };
    assert_eq!((link.from, link.to, link.side, link.figures.success_rate), (2, 1, Side::Client, Some(0.9)));
    assert_eq!(graph.busy(), [false, true, true]);
}

#[test]
fn nobody_knows_whether_who_calls_is_who_is_called() {
    let graph = graph(&[("", "web"), ("web", "")]);
    let kinds: Vec<_> = graph.nodes.iter().map(|n| (n.name.as_str(), n.kind.as_str())).collect();
    assert_eq!(kinds, [("", CALLEE), ("", CALLER), ("web", "Deployment")]);
}

#[test]
fn labels_have_namespaces_where_there_are_several() {
    let label = |graph: &Graph| (0..graph.nodes.len()).map(|n| graph.label(n)).collect::<Vec<_>>();
    assert_eq!(label(&graph(&[("shop/web", "shop/catalog")])), ["catalog", "web"]);
    assert_eq!(label(&graph(&[("shop/web", "bank/api"), ("", "shop/web")])), ["(unknown)", "bank/api", "shop/web"]);
}

#[test]
fn programs_read_nodes_and_which_of_them_call_each_other() {
    let json = serde_json::to_value(graph(&[("shop/web", "east:shop/catalog")])).unwrap();
    let nodes = serde_json::json!([
        {"namespace": "shop", "name": "web", "kind": "Deployment"},
        {"mesh": "east", "namespace": "shop", "name": "catalog", "kind": "Deployment"},
    ]);
    assert_eq!(json["nodes"], nodes);
    assert_eq!((&json["edges"][0]["from"], &json["edges"][0]["to"]), (&0.into(), &1.into()));
    assert_eq!(json["edges"][0]["rps"], 10.0);
}
