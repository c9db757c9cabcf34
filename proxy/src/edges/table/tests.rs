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

/// MiB of this process.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

#[test]
#[ignore = "run by ten_thousand_edges_take_no_more_than_is_documented, in a process of its own"]
fn in_a_process_of_ten_thousand_edges() {
    let table = table(std::env::var("EDGES").unwrap().parse().unwrap());
    let before = resident();
    for n in 0..10_000 {
        let answer = Answer { status: 200, failed: false, took: Duration::from_millis(3), received: 1, sent: 1 };
        table.find(Key { service: format!("shop/service-with-a-long-name-{n}").into(), ..key(n) }).answer(answer);
    }
    let told = crate::edges::report::news(&table.all(), Duration::from_secs(2));
    assert!(!told.is_empty());
    println!("took {}", resident() - before);
}

/// The figures of docs/limits.md, with what is told of all of them at once; a scrape's text comes on top while it is written.
#[test]
fn ten_thousand_edges_take_no_more_than_is_documented() {
    for (cap, most) in [("2000", 8.0), ("10000", 32.0)] {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "edges::table::tests::in_a_process_of_ten_thousand_edges",
            "--ignored",
            "--nocapture",
        ]);
        let output = command.env("EDGES", cap).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        // On a machine with one CPU the test's name stands before it.
        let (_, took) = said.split_once("took ").unwrap_or_else(|| panic!("{said}"));
        let took: f64 = took.lines().next().unwrap().parse().unwrap();
        assert!((0.5..=most).contains(&took), "{took} MiB with at most {cap} edges");
        println!("{took} MiB with at most {cap} edges");
    }
}
