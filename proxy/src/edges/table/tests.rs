use std::time::{Duration, Instant};

use isthmus_core::telemetry::Owned;

use super::*;
use crate::edges::Answer;

/// A table with room for so many.
pub(crate) fn table(cap: usize) -> Edges {
    let own = Workload::of(&"spiffe://east.local/ns/shop/sa/web".parse().unwrap());
    Edges::new(cap, own, Arc::default(), IntCounter::new("folded", "folded").unwrap())
}

/// An edge from the n-th pod of `api`.
pub(crate) fn key(n: usize) -> Key {
    let api = Workload::of(&"spiffe://west.local/ns/shop/sa/api".parse().unwrap());
    let pod = Owned::new("Deployment", "api", &format!("api-{n}")).unwrap();
    Key {
        direction: Direction::Inbound,
        protocol: Protocol::Http,
        peer: Some(Arc::new(api.with(pod))),
        client: "spiffe://west.local/ns/shop/sa/api".into(),
        service: "shop/web".into(),
        backend: "".into(),
        split: "".into(),
    }
}

#[test]
fn one_key_has_one_edge_and_beyond_the_cap_all_share_one() {
    let table = table(2);
    let (one, two) = (table.find(key(1)), table.find(key(2)));
    assert!(Arc::ptr_eq(&one, &table.find(key(1))) && !Arc::ptr_eq(&one, &two));
    let (three, four) = (table.find(key(3)), table.find(key(4)));
    assert!(three.folded && Arc::ptr_eq(&three, &four));
    assert_eq!(&*three.key.peer.as_ref().unwrap().pod, "other");
    let tcp = table.find(Key { protocol: Protocol::Tcp, ..key(3) });
    assert!(tcp.folded && !Arc::ptr_eq(&tcp, &three));
    assert_eq!((table.all().len(), table.folded.get()), (4, 3));
}

#[test]
fn only_an_idle_edge_that_nobody_holds_is_let_go() {
    let table = table(3);
    let (held, _) = (table.find(key(1)), table.find(key(2)));
    let begin = Instant::now();
    table.sweep(begin);
    let busy = table.find(key(3));
    busy.answer(Answer { status: 200, failed: false, took: Duration::ZERO, received: 0, sent: 0 });
    drop(busy);
    table.sweep(begin + EDGE_IDLE / 2);
    assert_eq!(table.all().len(), 3);
    table.sweep(begin + EDGE_IDLE);
    let pods: std::collections::BTreeSet<_> =
        table.all().iter().map(|e| e.key.peer.clone().unwrap().pod.clone()).collect();
    assert_eq!(pods.into_iter().collect::<Vec<_>>(), ["api-1".into(), "api-3".into()] as [Arc<str>; 2]);
    drop(held);
    table.sweep(begin + EDGE_IDLE * 2);
    assert_eq!(table.all().len(), 0);
}

#[test]
fn callers_can_name_so_many_services() {
    let table = table(1);
    assert!((0..EDGE_SERVICES).all(|n| *table.service(&format!("shop/{n}")) == *format!("shop/{n}")));
    assert_eq!(&*table.service("shop/one-more"), "other");
    assert_eq!(&*table.service("shop/7"), "shop/7");
}
