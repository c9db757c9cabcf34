use isthmus_core::telemetry::BUCKETS;
use serde_json::json;

use super::*;
use crate::{
    index::Roster,
    telemetry::request::{self, Request},
    testing::{index_of, object, pod},
};

fn name(name: &str) -> ObjectName {
    ObjectName::new("shop", name)
}

/// `web-1` of Deployment `web` and so on; `job-1` of a Job; nobody for "".
fn end(pod: &str) -> End {
    if pod.is_empty() {
        return End::default();
    }
    let owner = pod.split_once('-').map_or(pod, |(owner, _)| owner);
    let kind = if owner == "job" { "Job" } else { "Deployment" };
    End { mesh: None, namespace: "shop".into(), kind: kind.into(), name: owner.into(), pod: pod.into() }
}

fn abroad(pod: &str) -> End {
    End { mesh: Some("west".into()), ..end(pod) }
}

fn seen(direction: Direction, own: End, peer: End, service: &str, count: f64) -> Observation {
    let totals = Totals { successes: count, failures: 0.0, latency: [0.0; BUCKETS] };
    let service = (!service.is_empty()).then(|| name(service));
    Observation { direction, own, peer, service, backend: None, split: None, totals }
}

/// What each proxy has counted while `web` and a job called `api`, `api` called `db` of another mesh, and somebody outside `web`.
fn traffic(direction: Direction) -> Vec<Observation> {
    match direction {
        Direction::Inbound => vec![
            seen(direction, end("api-1"), end("web-1"), "api", 10.0),
            seen(direction, end("api-2"), end("web-1"), "api", 20.0),
            seen(direction, end("api-1"), end("job-1"), "api", 3.0),
            seen(direction, end("web-1"), end(""), "web", 7.0),
            seen(direction, end("web-1"), abroad("cron-1"), "web", 5.0),
        ],
        Direction::Outbound => vec![
            seen(direction, end("web-1"), end("api-1"), "api", 11.0),
            seen(direction, end("web-1"), end("api-2"), "api", 21.0),
            seen(direction, end("job-1"), end("api-1"), "api", 3.0),
            seen(direction, end("api-1"), abroad("db-1"), "db", 4.0),
        ],
    }
}

fn roster() -> Roster {
    let pods = ["web-1", "api-1", "api-2", "job-1"].map(|pod_name| {
        let owner = pod_name.split_once('-').unwrap().0;
        let mut pod = pod(pod_name, owner, "10.42.0.20");
        pod["metadata"]["labels"] = json!({ "app": owner, "pod-template-hash": "h" });
        let (kind, name) =
            if owner == "job" { ("Job", "job".to_owned()) } else { ("ReplicaSet", format!("{owner}-h")) };
        pod["metadata"]["ownerReferences"] =
            json!([{ "apiVersion": "v1", "kind": kind, "name": name, "uid": "u", "controller": true }]);
        pod["spec"]["nodeName"] = json!(if pod_name == "api-2" { "node-2" } else { "node-1" });
        pod
    });
    let services = ["web", "api"].map(|name| object("Service", name, json!({ "selector": { "app": name } })));
    index_of(pods.into_iter().chain(services)).roster
}

fn ask(path: &str) -> Ask {
    let uri = format!("/apis/metrics.smi-spec.io/v1alpha1/{path}").parse().unwrap();
    let Ok(Request::Traffic(ask)) = request::read(&http::Method::GET, &uri) else { panic!("{path}") };
    ask
}

/// As `object: count`, the objects of a list with their totals.
fn listed(path: &str) -> Vec<String> {
    let ask = ask(path);
    let [(_, side, query)] = &*questions(&ask, Roots::None) else { panic!("one question") };
    let seen = traffic(query.direction);
    let places = Places::look(ask.kind, &seen, &roster());
    let totals = totals(&places, ask.kind, *side, &seen);
    totals.iter().map(|(object, totals)| format!("{object}: {}", totals.successes)).collect()
}

/// As `way side kind/namespace/name@mesh: count`, the edges of one object.
fn edges_of(path: &str) -> Vec<String> {
    let ask = ask(&format!("{path}/edges"));
    let namespace = ask.namespace.clone().unwrap_or_default();
    let object = ObjectName::new(namespace, ask.name.clone().unwrap());
    let mut all = Vec::new();
    for (way, side, query) in questions(&ask, Roots::None) {
        let seen = traffic(query.direction);
        let places = Places::look(ask.kind, &seen, &roster());
        all.extend(edges(&places, &ask, &object, way, side, &seen));
    }
    let text = |edge: &Edge| {
        let Peer { mesh, kind, namespace, name } = &edge.peer;
        let mesh = mesh.as_ref().map(|mesh| format!("@{mesh}")).unwrap_or_default();
        format!("{:?} {} {kind}/{namespace}/{name}{mesh}: {}", edge.way, edge.side.as_str(), edge.totals.successes)
    };
    all.iter().map(text).collect()
}

#[test]
fn what_came_to_an_object_is_what_its_own_proxies_counted() {
    assert_eq!(listed("deployments"), ["shop/api: 33", "shop/web: 12"]);
    assert_eq!(listed("replicasets"), ["shop/api-h: 33", "shop/web-h: 12"]);
    assert_eq!(listed("pods"), ["shop/api-1: 13", "shop/api-2: 20", "shop/web-1: 12"]);
    assert_eq!(listed("services"), ["shop/api: 33", "shop/web: 12"]);
    assert_eq!(listed("namespaces"), ["/shop: 45"]);
    assert_eq!(listed("nodes"), ["/node-1: 25", "/node-2: 20"]);
    assert_eq!(listed("jobs"), [""; 0]);
    assert_eq!(listed("statefulsets"), [""; 0]);
}

#[test]
fn clients_can_be_asked_too() {
    assert_eq!(listed("deployments?side=client"), ["shop/api: 35"]);
    // The Service abroad is none of this cluster's.
    assert_eq!(listed("services?side=client"), ["shop/api: 35"]);
    assert_eq!(listed("nodes?side=client"), ["/node-1: 14", "/node-2: 21"]);
}

#[test]
fn edges_are_of_the_same_kind_where_there_is_one_and_name_the_other_mesh() {
    assert_eq!(
        edges_of("namespaces/shop/deployments/api"),
        ["From server Deployment/shop/web: 30", "From server Job/shop/job: 3", "To client Deployment/shop/db@west: 4",]
    );
    assert_eq!(
        edges_of("namespaces/shop/deployments/web"),
        ["From server //: 7", "From server Deployment/shop/cron@west: 5", "To client Deployment/shop/api: 32"]
    );
    assert_eq!(edges_of("namespaces/shop/jobs/job"), ["To client Deployment/shop/api: 3"]);
    assert_eq!(
        edges_of("namespaces/shop/pods/web-1"),
        [
            "From server //: 7",
            "From server Pod/shop/cron-1@west: 5",
            "To client Pod/shop/api-1: 11",
            "To client Pod/shop/api-2: 21",
        ]
    );
    assert_eq!(
        edges_of("namespaces/shop/services/api"),
        ["From server Job/shop/job: 3", "From server Service/shop/web: 30", "To client Service/shop/db@west: 4"]
    );
    assert_eq!(edges_of("nodes/node-2"), ["From server Node//node-1: 20"]);
    assert_eq!(
        edges_of("namespaces/shop"),
        [
            "From server //: 7",
            "From server Namespace//shop: 33",
            "From server Namespace//shop@west: 5",
            "To client Namespace//shop: 35",
            "To client Namespace//shop@west: 4",
        ]
    );
}

#[test]
fn both_ways_can_be_asked_of_one_side() {
    let of = |side: &str| {
        let mut ask = ask("namespaces/shop/deployments/web/edges");
        ask.side = Some(if side == "client" { Side::Client } else { Side::Server });
        let mut all = Vec::new();
        for (way, side, query) in questions(&ask, Roots::None) {
            let seen = traffic(query.direction);
            let places = Places::look(ask.kind, &seen, &roster());
            all.extend(edges(&places, &ask, &name("web"), way, side, &seen));
        }
        all.iter().map(|edge| (edge.way, edge.peer.name.to_string(), edge.totals.successes)).collect::<Vec<_>>()
    };
    assert_eq!(of("client"), [(Way::To, "api".to_owned(), 32.0)]);
    let api = (Way::To, "api".to_owned(), 30.0);
    assert_eq!(of("server"), [(Way::From, String::new(), 7.0), (Way::From, "cron".to_owned(), 5.0), api]);
}

#[test]
fn a_split_is_told_by_backend_and_its_edges_by_caller() {
    let sent = |own: &str, backend: &str, count| Observation {
        backend: Some(name(backend)),
        split: Some(name("canary")),
        ..seen(Direction::Outbound, end(own), end("api-1"), "api", count)
    };
    let all = [sent("web-1", "api-v1", 90.0), sent("web-1", "api-v2", 9.0), sent("job-1", "api-v2", 1.0)];
    let shares = shares(&all);
    let share = |backend| shares[&(name("canary"), name(backend))].successes;
    assert_eq!((share("api-v1"), share("api-v2")), (90.0, 10.0));
    let ask = ask("namespaces/shop/trafficsplits/canary/edges");
    let [(way, side, query)] = &*questions(&ask, Roots::None) else { panic!("one question") };
    assert_eq!(query.within, Some((Of::Split, "shop".into())));
    let places = Places::look(ask.kind, &all, &roster());
    let edges = edges(&places, &ask, &name("canary"), *way, *side, &all);
    let told = edges.iter().map(|edge| {
        let backend = edge.backend.as_ref().map(|backend| backend.name.to_string()).unwrap_or_default();
        (edge.way, edge.side, edge.peer.name.to_string(), backend, edge.totals.successes)
    });
    let of =
        |caller: &str, backend: &str, count| (Way::From, Side::Client, caller.to_owned(), backend.to_owned(), count);
    assert_eq!(
        told.collect::<Vec<_>>(),
        [of("web", "api-v1", 90.0), of("web", "api-v2", 9.0), of("job", "api-v2", 1.0)]
    );
}

#[test]
fn only_what_matters_is_asked_for() {
    let query =
        |path: &str| questions(&ask(path), Roots::None).into_iter().map(|(.., query)| query).collect::<Vec<_>>();
    let none = Keep::default();
    let [totals] = &*query("namespaces/shop/deployments?t=1m") else { panic!() };
    assert_eq!((totals.direction, totals.window.as_secs()), (Direction::Inbound, 60));
    assert_eq!((totals.keep, totals.within.clone()), (Keep { own: true, ..none }, Some((Of::Own, "shop".into()))));
    let [services] = &*query("services") else { panic!() };
    assert_eq!((services.keep, services.within.clone()), (Keep { service: true, ..none }, None));
    let [from, to] = &*query("namespaces/shop/services/web/edges") else { panic!() };
    assert_eq!((from.within.clone().unwrap().0, to.within.clone().unwrap().0), (Of::Service, Of::Own));
    let [namespace] = &*query("namespaces/shop") else { panic!() };
    assert_eq!(namespace.within, Some((Of::Own, "shop".into())));
}

#[test]
fn a_splits_root_is_told_by_its_clients() {
    let sides = |path: &str, roots| {
        let asked = questions(&ask(path), roots);
        asked.into_iter().map(|(way, side, _)| (way, side.as_str())).collect::<Vec<_>>()
    };
    let (client, server) = ((Way::From, "client"), (Way::From, "server"));
    assert_eq!(sides("services", Roots::Some), [server, client]);
    assert_eq!(sides("services?side=server", Roots::Some), [server]);
    assert_eq!(sides("namespaces/shop/services/front", Roots::All), [client]);
    assert_eq!(sides("namespaces/shop/services/front/edges", Roots::All), [client, (Way::To, "client")]);
    let asked = ask("services");
    assert_eq!([false, true].map(|root| side(&asked, Way::From, root).as_str()), ["server", "client"]);
    let sent = Observation {
        backend: Some(name("api")),
        split: Some(name("canary")),
        ..seen(Direction::Outbound, end("web-1"), end("api-1"), "front", 40.0)
    };
    let places = Places::look(Kind::Service, std::slice::from_ref(&sent), &roster());
    assert_eq!(totals(&places, Kind::Service, Side::Client, &[sent])[&name("front")].successes, 40.0);
}
