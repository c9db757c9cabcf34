use super::*;
use crate::edges::{
    Answer, Edges, Key,
    table::tests::{key, table},
};

fn answer(edge: &Edge, failed: bool, millis: u64) {
    let status = if failed { 503 } else { 200 };
    edge.answer(Answer { status, failed, took: Duration::from_millis(millis), received: 10, sent: 20 });
}

fn told(table: &Edges) -> Vec<proto::Edge> {
    news(&table.all(), Duration::from_secs(2)).into_iter().flat_map(|traffic| traffic.edges).collect()
}

#[test]
fn only_what_has_come_is_told() {
    let table = table(10);
    let (busy, _quiet) = (table.find(key(1)), table.find(key(2)));
    assert_eq!(told(&table), []);
    answer(&busy, false, 3);
    answer(&busy, true, 70_000);
    let first = told(&table);
    assert_eq!(first.len(), 1);
    let edge = &first[0];
    assert_eq!((edge.successes, edge.failures, edge.bytes_received, edge.bytes_sent), (1, 1, 20, 40));
    assert_eq!((edge.latency.len(), edge.latency[3], edge.latency[16]), (BUCKETS, 1, 1));
    assert_eq!(edge.latency_sum_microseconds, 70_003_000);
    let peer = edge.peer.as_ref().unwrap();
    assert_eq!((peer.mesh.as_str(), peer.kind.as_str(), peer.pod.as_str()), ("west.local", "Deployment", "api-1"));
    assert_eq!(edge.service.as_ref().map(|s| (s.namespace.as_str(), s.name.as_str())), Some(("shop", "web")));
    assert_eq!((&edge.backend, &edge.split), (&None, &None));
    assert_eq!(told(&table), []);
    answer(&busy, false, 3);
    let second = told(&table);
    assert_eq!((second[0].successes, second[0].failures, second[0].latency[3]), (1, 0, 1));
}

#[test]
fn messages_are_bounded_and_hold_each_edge_once() {
    let table = table(2000);
    for n in 0..2000 {
        answer(&table.find(key(n)), false, 3);
    }
    let messages = news(&table.all(), Duration::from_secs(2));
    assert!(messages.len() > 1 && messages.iter().all(|m| m.milliseconds == 2000));
    assert!(messages.iter().all(|message| encoded_len(message) < MAX_PROXY_MESSAGE_BYTES - 512));
    let pods: std::collections::BTreeSet<String> =
        messages.iter().flat_map(|m| &m.edges).map(|edge| edge.peer.clone().unwrap().pod).collect();
    assert_eq!((pods.len(), messages.iter().map(|m| m.edges.len()).sum()), (2000, 2000));
}

#[test]
fn those_that_share_an_edge_are_nobody() {
    let table = table(0);
    answer(&table.find(Key { protocol: Protocol::Grpc, ..key(1) }), false, 3);
    let edges = told(&table);
    assert_eq!((edges[0].peer.as_ref(), edges[0].service.as_ref(), edges[0].successes), (None, None, 1));
    assert_eq!(edges[0].protocol(), proto::EdgeProtocol::Grpc);
}
