//! The promise of the watch, under everything at once: threads that write, a log that is compacted away under the
//! watchers, watchers that drop off and come back from their last revision, and list again when told to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::{Barrier, watch as signal};

use crate::{Entry, Event, EventKind, Key, Limits, Store, StoreError};

const RESOURCES: [&str; 2] = ["/pods", "apps/deployments"];
const NAMESPACES: [&str; 2] = ["a", "b"];

#[derive(Clone, Debug)]
enum Op {
    Put { resource: usize, namespace: usize, name: u8, text: u8 },
    Delete { resource: usize, namespace: usize, name: u8 },
    Compact { keep: usize },
}

#[derive(Clone, Debug)]
struct Reader {
    resource: usize,
    namespace: Option<usize>,
    /// After how many events it drops off and comes back; over and over, in turn.
    drops: Vec<usize>,
    /// How slow it is to come back: turns that it leaves to others.
    pause: usize,
}

fn op() -> impl Strategy<Value = Op> {
    let place = (0..2_usize, 0..2_usize, 0..4_u8);
    prop_oneof![
        6 => (place.clone(), 0..4_u8).prop_map(|((resource, namespace, name), text)| Op::Put { resource, namespace, name, text }),
        3 => place.prop_map(|(resource, namespace, name)| Op::Delete { resource, namespace, name }),
        1 => (0..6_usize).prop_map(|keep| Op::Compact { keep }),
    ]
}

fn reader() -> impl Strategy<Value = Reader> {
    (0..2_usize, proptest::option::of(0..2_usize), proptest::collection::vec(1..12_usize, 1..5), 0..100_usize)
        .prop_map(|(resource, namespace, drops, pause)| Reader { resource, namespace, drops, pause })
}

fn body(text: u8) -> Value {
    json!({"metadata": {"name": "x"}, "text": text})
}

/// Does the writes, and returns those that took a revision.
fn run_writer(store: &Store, ops: &[Op]) -> Vec<(u64, Key, EventKind)> {
    let mut done = Vec::new();
    for op in ops {
        match op {
            Op::Compact { keep } => store.compact(*keep),
            Op::Put { resource, namespace, name, text } => {
                let key = Key::new(RESOURCES[*resource], Some(NAMESPACES[*namespace]), &name.to_string());
                match store.get(&key) {
                    None => match store.create(key.clone(), body(*text)) {
                        Ok(entry) => done.push((entry.revision, key, EventKind::Added)),
                        Err(error) => assert!(matches!(error, StoreError::Exists { .. }), "{error}"),
                    },
                    Some(before) => match store.update(&key, before.revision, body(*text)) {
                        Ok(entry) if entry.revision == before.revision => {}
                        Ok(entry) => done.push((entry.revision, key, EventKind::Modified)),
                        Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {}
                        Err(error) => panic!("{error}"),
                    },
                }
            }
            Op::Delete { resource, namespace, name } => {
                let key = Key::new(RESOURCES[*resource], Some(NAMESPACES[*namespace]), &name.to_string());
                match store.delete(&key, None) {
                    Ok(entry) => done.push((entry.revision, key, EventKind::Deleted)),
                    Err(error) => assert!(matches!(error, StoreError::NotFound { .. }), "{error}"),
                }
            }
        }
    }
    done
}

/// What one reader saw between two lists.
struct Stretch {
    from: u64,
    to: u64,
    events: Vec<(u64, Key, EventKind)>,
}

struct Rebuilt {
    stretches: Vec<Stretch>,
    state: BTreeMap<Key, Entry>,
}

/// Applies an event to what the reader has rebuilt; each contradiction is a lost, doubled or reordered event.
fn follow(state: &mut BTreeMap<Key, Entry>, event: &Event) {
    let before = state.get(&event.key).map(|entry| &entry.object);
    assert_eq!(before, event.previous.as_ref(), "{event:?} does not follow what was seen before");
    assert_eq!(event.kind == EventKind::Added, before.is_none(), "{event:?}");
    assert_eq!(event.object["metadata"]["resourceVersion"], event.revision.to_string());
    if event.kind == EventKind::Deleted {
        state.remove(&event.key);
    } else {
        let entry = Entry { key: event.key.clone(), object: event.object.clone(), revision: event.revision };
        state.insert(event.key.clone(), entry);
    }
}

/// Lists and watches like a client, dropping off now and then, until the writers are done and all of theirs is seen.
async fn run_reader(
    store: Store,
    reader: Reader,
    started: Arc<Barrier>,
    mut last: signal::Receiver<Option<u64>>,
) -> Rebuilt {
    let (resource, namespace) = (RESOURCES[reader.resource], reader.namespace.map(|n| NAMESPACES[n]));
    let mut drops = reader.drops.iter().cycle();
    let mut rebuilt = Rebuilt { stretches: Vec::new(), state: BTreeMap::new() };
    started.wait().await;
    'list: loop {
        let listing = store.list(resource, namespace);
        rebuilt.state = listing.entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        rebuilt.stretches.push(Stretch { from: listing.revision, to: listing.revision, events: Vec::new() });
        let stretch = rebuilt.stretches.last_mut().unwrap();
        'watch: loop {
            let mut watch = match store.watch(resource, namespace, stretch.to) {
                Ok(watch) => watch,
                Err(StoreError::Compacted { oldest }) => {
                    assert!(oldest > stretch.to);
                    continue 'list;
                }
                Err(error) => panic!("{error}"),
            };
            let mut left = *drops.next().unwrap();
            loop {
                let target = *last.borrow();
                if target.is_some_and(|target| watch.seen() >= target) {
                    stretch.to = watch.seen();
                    return rebuilt;
                }
                let event = tokio::select! {
                    event = watch.next() => event.expect("the store is open"),
                    changed = last.changed() => { changed.unwrap(); continue }
                };
                match event {
                    Ok(event) => {
                        assert!(event.revision > stretch.to, "{event:?} came after {}", stretch.to);
                        follow(&mut rebuilt.state, &event);
                        stretch.to = event.revision;
                        stretch.events.push((event.revision, event.key, event.kind));
                    }
                    Err(StoreError::Compacted { oldest }) => {
                        assert!(oldest > stretch.to);
                        continue 'list;
                    }
                    Err(error) => panic!("{error}"),
                }
                left -= 1;
                if left == 0 {
                    // Some come back from the last event, some from the last bookmark.
                    if stretch.to.is_multiple_of(2) {
                        stretch.to = watch.seen();
                    }
                    drop(watch);
                    for _ in 0..reader.pause {
                        tokio::task::yield_now().await;
                    }
                    continue 'watch;
                }
            }
        }
    }
}

fn check(dir: Option<&Path>, writers: Vec<Vec<Op>>, readers: Vec<Reader>, log_events: usize) {
    let store = Store::open(dir, Limits { log_events, file_bytes: 2000, ..Limits::default() }).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_time().build().unwrap();
    let (last, done) = signal::channel(None);
    let started = Arc::new(Barrier::new(readers.len() + 1));
    let run = |reader: &Reader| run_reader(store.clone(), reader.clone(), started.clone(), done.clone());
    let tasks: Vec<_> = readers.iter().map(|reader| runtime.spawn(run(reader))).collect();
    runtime.block_on(started.wait());
    let mut truth: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = writers.iter().map(|ops| scope.spawn(|| run_writer(&store, ops))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    truth.sort_by_key(|(revision, ..)| *revision);
    let revisions: Vec<_> = truth.iter().map(|(revision, ..)| *revision).collect();
    assert_eq!(revisions, (1..=store.revision()).collect::<Vec<_>>(), "every revision is one write's");
    last.send_replace(Some(store.revision()));

    for (reader, task) in readers.iter().zip(tasks) {
        let rebuilt = runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(30), task).await })
            .expect("a reader has not caught up: an event was lost or a wake-up was missed")
            .unwrap();
        let (resource, namespace) = (RESOURCES[reader.resource], reader.namespace.map(|n| NAMESPACES[n]));
        for stretch in &rebuilt.stretches {
            let concerned = |(revision, key, _): &&(u64, Key, EventKind)| {
                *revision > stretch.from
                    && *revision <= stretch.to
                    && &*key.resource == resource
                    && namespace.is_none_or(|ns| key.namespace.as_deref() == Some(ns))
            };
            let due: Vec<_> = truth.iter().filter(concerned).cloned().collect();
            assert_eq!(stretch.events, due, "from {} to {}", stretch.from, stretch.to);
        }
        let now: Vec<_> = rebuilt.state.into_values().collect();
        assert_eq!(now, store.list(resource, namespace).entries);
    }
    drop(runtime);
    let Some(dir) = dir else { return };
    let before = RESOURCES.map(|resource| store.list(resource, None));
    drop(store);
    let store = Store::open(Some(dir), Limits::default()).unwrap();
    assert_eq!(
        RESOURCES.map(|resource| store.list(resource, None)),
        before,
        "what was answered is there after reopening"
    );
    assert_eq!(store.cut(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_event_is_lost_doubled_or_reordered(
        writers in proptest::collection::vec(proptest::collection::vec(op(), 0..300), 1..5),
        readers in proptest::collection::vec(reader(), 1..6),
        log_events in prop_oneof![Just(2_usize), Just(8), Just(10_000)],
    ) {
        check(None, writers, readers, log_events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_event_is_lost_doubled_or_reordered_with_a_file_behind_it(
        writers in proptest::collection::vec(proptest::collection::vec(op(), 0..40), 1..5),
        readers in proptest::collection::vec(reader(), 1..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        check(Some(dir.path()), writers, readers, 8);
    }
}

#[test]
fn no_wake_up_is_missed() {
    let store = Store::open(None, Limits::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let (seen, acknowledged) = mpsc::channel();
    let mut watch = store.watch("/pods", None, 0).unwrap();
    runtime.spawn(async move {
        while let Some(Ok(event)) = watch.next().await {
            if seen.send(event.revision).is_err() {
                return;
            }
        }
    });
    for n in 1..=3000 {
        store.create(Key::new("/pods", None, &n.to_string()), body(0)).unwrap();
        assert_eq!(acknowledged.recv_timeout(Duration::from_secs(10)), Ok(n), "the watch was not woken");
    }
}
