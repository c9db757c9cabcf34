use isthmus_api::control::v1 as proto;
use isthmus_core::telemetry::bucket_of;

use super::{intake::Refused, *};

const SECOND: Duration = Duration::from_secs(1);

fn name(name: &str) -> ObjectName {
    ObjectName::new("shop", name)
}

fn end(pod: &str) -> End {
    let owner = pod.split_once('-').map_or(pod, |(owner, _)| owner);
    End { namespace: "shop".into(), kind: "Deployment".into(), name: owner.into(), pod: pod.into(), mesh: None }
}

fn workload(pod: &str) -> proto::Workload {
    let End { namespace, kind, name, pod, .. } = end(pod);
    proto::Workload {
        mesh: "isthmus.local".into(),
        namespace: namespace.to_string(),
        kind: kind.to_string(),
        name: name.to_string(),
        pod: pod.to_string(),
        service_account: "sa".into(),
    }
}

fn object(name: &str) -> Option<proto::ObjectName> {
    Some(proto::ObjectName { namespace: "shop".into(), name: name.into() })
}

/// Inbound, so many successes of 3 ms.
fn inbound(peer: &str, successes: u64) -> proto::Edge {
    let mut latency = vec![0; BUCKETS];
    latency[bucket_of(Duration::from_millis(3))] = successes;
    proto::Edge { peer: Some(workload(peer)), service: object("api"), successes, latency, ..Default::default() }
}

fn taken(edges: Vec<proto::Edge>) -> Report {
    read(proto::Traffic { milliseconds: 2000, edges }, |domain| (domain != "isthmus.local").then(|| domain.into()))
}

fn all(window: Duration) -> Query {
    let keep = Keep { own: true, peer: true, service: true, split: true };
    Query { window, direction: Direction::Inbound, within: None, keep }
}

fn observe(store: &Store, now: Duration, query: &Query) -> Vec<Observation> {
    let mut answer = Sums::default();
    store.pods().iter().for_each(|pod| store.observe(now, query, pod, &mut answer));
    answer.observations()
}

fn successes(observations: &[Observation]) -> f64 {
    observations.iter().map(|observation| observation.totals.successes).sum()
}

#[test]
fn what_was_told_is_answered_until_the_window_has_passed() {
    let mut store = Store::default();
    assert_eq!(store.take(10 * SECOND, &name("api-1"), end("api-1"), taken(vec![inbound("web-1", 30)])), 0);
    store.take(12 * SECOND, &name("api-1"), end("api-1"), taken(vec![inbound("web-1", 12)]));
    let [seen] = &*observe(&store, 12 * SECOND, &all(30 * SECOND)) else { panic!("one edge") };
    assert_eq!(
        (seen.own.clone(), seen.peer.clone(), seen.service.clone()),
        (end("api-1"), end("web-1"), Some(name("api")))
    );
    assert_eq!((seen.totals.successes, seen.totals.failures), (42.0, 0.0));
    assert_eq!(seen.totals.latency.iter().sum::<f64>(), 42.0);
    assert_eq!(observe(&store, 60 * SECOND, &all(30 * SECOND)), []);
    assert_eq!(successes(&observe(&store, 60 * SECOND, &all(60 * SECOND))), 42.0);
}

#[test]
fn parts_that_do_not_matter_are_summed_up() {
    let mut store = Store::default();
    for pod in ["api-1", "api-2"] {
        store.take(SECOND, &name(pod), end(pod), taken(vec![inbound("web-1", 1), inbound("web-2", 2)]));
    }
    let counted = |keep: Keep| observe(&store, SECOND, &Query { keep, ..all(10 * SECOND) });
    let none = Keep::default();
    for (keep, edges) in
        [(none, 1), (Keep { own: true, ..none }, 2), (Keep { peer: true, ..none }, 2), (all(SECOND).keep, 4)]
    {
        let answer = counted(keep);
        assert_eq!((answer.len(), successes(&answer)), (edges, 6.0), "{keep:?}");
    }
    let within = |of, namespace: &str| Query { within: Some((of, namespace.into())), ..all(10 * SECOND) };
    for (of, namespace, edges) in [
        (Of::Own, "shop", 4),
        (Of::Own, "other", 0),
        (Of::Peer, "shop", 4),
        (Of::Peer, "other", 0),
        (Of::Service, "shop", 4),
        (Of::Split, "shop", 0),
    ] {
        assert_eq!(observe(&store, SECOND, &within(of, namespace)).len(), edges, "{of:?} {namespace}");
    }
    assert_eq!(observe(&store, SECOND, &Query { direction: Direction::Outbound, ..all(10 * SECOND) }), []);
}

#[test]
fn what_can_not_be_is_refused_and_the_rest_is_taken() {
    let good = inbound("web-1", 1);
    let bad = |change: &dyn Fn(&mut proto::Edge)| {
        let mut edge = good.clone();
        change(&mut edge);
        edge
    };
    let name = |text: &str| {
        let text = text.to_owned();
        bad(&move |edge| edge.peer.as_mut().unwrap().name.clone_from(&text))
    };
    for (edge, why) in [
        (name(&"x".repeat(254)), Refused::Name("Workload.name")),
        (name("a\nb"), Refused::Name("Workload.name")),
        (bad(&|edge| edge.service.as_mut().unwrap().name = "<b>".into()), Refused::Name("Edge.service")),
        (bad(&|edge| edge.successes = u64::MAX), Refused::Count("Edge.successes")),
        (bad(&|edge| edge.failures = 1 << 32), Refused::Count("Edge.failures")),
        (bad(&|edge| edge.latency = vec![1 << 32; BUCKETS]), Refused::Count("Edge.latency")),
        (bad(&|edge| edge.latency = vec![1; BUCKETS - 1]), Refused::Buckets),
        (bad(&|edge| edge.direction = 7), Refused::Direction),
    ] {
        let report = taken(vec![edge, good.clone()]);
        assert_eq!((report.edges.len(), report.refused), (1, Some((1, why))));
    }
    let report = taken(vec![good; 10_000]);
    assert_eq!((report.edges.len(), report.refused), (8_192, Some((1_808, Refused::TooMany))));
    assert_eq!(read(proto::Traffic { milliseconds: u32::MAX, edges: vec![] }, |_| None).milliseconds, 3_600_000);
}

#[test]
fn another_meshs_peer_keeps_its_mesh() {
    let mut edge = inbound("web-1", 1);
    edge.peer.as_mut().unwrap().mesh = "west".into();
    let mut store = Store::default();
    store.take(SECOND, &name("api-1"), end("api-1"), taken(vec![edge]));
    let seen = observe(&store, SECOND, &all(10 * SECOND));
    assert_eq!(seen[0].peer.mesh.as_deref(), Some("west"));
    assert_eq!(observe(&store, SECOND, &Query { within: Some((Of::Peer, "shop".into())), ..all(10 * SECOND) }), []);
}

#[test]
fn one_pod_can_not_take_everybodys_room_and_loses_no_count() {
    let mut store = Store::default();
    let mut folded = 0;
    for round in 0..3 {
        let edges = (0..3000).map(|n| inbound(&format!("web-{round}-{n}"), 1)).collect();
        folded += store.take(SECOND * (round + 1), &name("evil"), end("evil"), taken(edges));
    }
    assert_eq!(folded, 9000 - MAX_EDGES_OF_ONE as u64);
    // Those, and what all others became.
    assert_eq!(store.len(), MAX_EDGES_OF_ONE + 1);
    assert_eq!(successes(&observe(&store, 3 * SECOND, &all(10 * SECOND))), 9000.0);
    store.take(3 * SECOND, &name("api-1"), end("api-1"), taken(vec![inbound("web-1", 1)]));
    let of = Query { keep: Keep { own: true, peer: true, ..Keep::default() }, ..all(10 * SECOND) };
    let others = observe(&store, 3 * SECOND, &of);
    assert!(others.iter().any(|seen| seen.own == end("api-1") && seen.peer == end("web-1")));
}

#[test]
fn all_pods_together_stay_within_the_cap_and_what_is_over_goes() {
    let mut store = Store::default();
    let pods = 2 * MAX_EDGES / MAX_EDGES_OF_ONE;
    for pod in 0..pods {
        let pod = format!("p-{pod}");
        let edges = (0..MAX_EDGES_OF_ONE).map(|n| inbound(&format!("{pod}-{n}"), 1)).collect();
        store.take(SECOND, &name(&pod), end(&pod), taken(edges));
    }
    assert!(store.len() <= MAX_EDGES + pods && store.bytes() < MAX_BYTES, "{} {}", store.len(), store.bytes());
    store.take(2 * LONGEST, &name("api-1"), end("api-1"), taken(vec![inbound("web-1", 1)]));
    assert_eq!((store.len(), store.reporters.len()), (1, 1));
    let edge = store.reporters[&name("api-1")].edges.iter().next().unwrap();
    assert_eq!(store.bytes(), edge.0.size() + edge.1.size());
}
