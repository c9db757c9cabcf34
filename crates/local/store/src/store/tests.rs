use serde_json::json;

use super::*;
use crate::{EventKind, Key};

fn memory() -> Store {
    Store::open(None, Limits::default()).unwrap()
}

fn pod(namespace: &str, name: &str) -> Key {
    Key::new("/pods", Some(namespace), name)
}

fn object(text: &str) -> Value {
    json!({"metadata": {"name": "x"}, "text": text})
}

#[test]
fn a_write_takes_the_next_revision_and_shows_it_in_the_object() {
    let store = memory();
    let one = store.create(pod("a", "one"), object("1")).unwrap();
    let two = store.create(pod("a", "two"), object("2")).unwrap();
    assert_eq!((one.revision, two.revision, store.revision()), (1, 2, 2));
    assert_eq!(two.object["metadata"]["resourceVersion"], "2");
    assert_eq!(store.get(&pod("a", "one")), Some(one));
    assert_eq!(store.get(&pod("b", "one")), None);
}

#[test]
fn create_update_and_delete_check_what_is_there() {
    let store = memory();
    let key = pod("a", "x");
    assert!(matches!(store.update(&key, 1, object("")), Err(StoreError::NotFound { .. })));
    assert!(matches!(store.delete(&key, None), Err(StoreError::NotFound { .. })));
    store.create(key.clone(), object("1")).unwrap();
    assert!(matches!(store.create(key.clone(), object("1")), Err(StoreError::Exists { .. })));
    assert!(matches!(store.update(&key, 7, object("2")), Err(StoreError::Conflict { current: 1, .. })));
    assert!(matches!(store.delete(&key, Some(7)), Err(StoreError::Conflict { current: 1, .. })));
    assert_eq!(store.update(&key, 1, object("2")).unwrap().revision, 2);
    let gone = store.delete(&key, Some(2)).unwrap();
    assert_eq!((gone.revision, &gone.object["metadata"]["resourceVersion"]), (3, &json!("3")));
    assert_eq!(store.get(&key), None);
    assert_eq!(store.stats().objects, 0);
}

#[tokio::test]
async fn a_write_that_changes_nothing_makes_no_event() {
    let store = memory();
    let key = pod("a", "x");
    let first = store.create(key.clone(), object("1")).unwrap();
    let mut same = object("1");
    same["metadata"]["resourceVersion"] = json!("999");
    assert_eq!(store.update(&key, 1, same).unwrap(), first);
    assert_eq!(store.revision(), 1);
    let mut watch = store.watch("/pods", None, 1).unwrap();
    assert_eq!(watch.try_next(), None);
}

#[test]
fn lists_are_ordered_by_namespace_and_name() {
    let store = memory();
    for (namespace, name) in [("b", "a"), ("a", "z"), ("a", "b"), ("a-b", "c")] {
        store.create(pod(namespace, name), object("")).unwrap();
    }
    store.create(Key::new("/nodes", None, "n"), object("")).unwrap();
    let names = |listing: Listing| -> Vec<String> {
        listing.entries.iter().map(|e| format!("{}/{}", e.key.namespace.as_deref().unwrap_or(""), e.key.name)).collect()
    };
    assert_eq!(names(store.list("/pods", None)), ["a/b", "a/z", "a-b/c", "b/a"]);
    assert_eq!(names(store.list("/pods", Some("a"))), ["a/b", "a/z"]);
    assert_eq!(names(store.list("/nodes", None)), ["/n"]);
    assert_eq!(store.list("/nothing", None), Listing { revision: 5, entries: vec![] });
}

#[test]
fn a_list_at_an_earlier_revision_is_what_the_list_was_then() {
    let store = memory();
    let mut was = vec![store.list("/pods", None)];
    let key = pod("a", "x");
    store.create(key.clone(), object("1")).unwrap();
    was.push(store.list("/pods", None));
    store.create(pod("b", "y"), object("1")).unwrap();
    was.push(store.list("/pods", None));
    store.update(&key, 1, object("2")).unwrap();
    was.push(store.list("/pods", None));
    store.delete(&key, None).unwrap();
    was.push(store.list("/pods", None));
    store.create(key.clone(), object("3")).unwrap();
    for listing in &was {
        assert_eq!(store.list_at("/pods", None, listing.revision).unwrap(), *listing);
    }
    let only_a = store.list_at("/pods", Some("a"), 3).unwrap();
    assert_eq!(only_a.entries, [was[3].entries[0].clone()]);
    assert!(matches!(store.list_at("/pods", None, 6), Err(StoreError::Future { current: 5 })));
    store.compact(1);
    assert!(matches!(store.list_at("/pods", None, 3), Err(StoreError::Compacted { oldest: 4 })));
    assert_eq!(store.list_at("/pods", None, 4).unwrap(), was[4]);
}

#[tokio::test]
async fn a_watch_tells_kind_state_and_state_before() {
    let store = memory();
    let key = pod("a", "x");
    let mut watch = store.watch("/pods", Some("a"), 0).unwrap();
    let added = store.create(key.clone(), object("1")).unwrap();
    let changed = store.update(&key, 1, object("2")).unwrap();
    store.create(pod("b", "x"), object("1")).unwrap();
    let gone = store.delete(&key, None).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(watch.next().await.unwrap().unwrap());
    }
    let kinds: Vec<_> = seen.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Added, EventKind::Modified, EventKind::Deleted]);
    assert_eq!(seen[0].previous, None);
    assert_eq!(seen[1].previous, Some(added.object));
    assert_eq!(seen[2].previous, Some(changed.object));
    assert_eq!(seen[2].object, gone.object);
    assert_eq!(seen[2].object["text"], "2");
    assert_eq!(seen[2].revision, 4);
}

#[tokio::test]
async fn a_watch_from_the_future_waits() {
    let store = memory();
    let mut watch = store.watch("/pods", None, 2).unwrap();
    for name in ["a", "b", "c"] {
        store.create(pod("a", name), object("")).unwrap();
    }
    assert_eq!(watch.next().await.unwrap().unwrap().revision, 3);
    assert_eq!(watch.seen(), 3);
}

#[tokio::test]
async fn the_seen_revision_moves_on_with_other_resources() {
    let store = memory();
    store.create(pod("a", "x"), object("")).unwrap();
    let mut watch = store.watch("/pods", None, 0).unwrap();
    assert_eq!(watch.seen(), 0, "the event has not been handed out yet");
    assert_eq!(watch.next().await.unwrap().unwrap().revision, 1);
    store.create(Key::new("/nodes", None, "n"), object("")).unwrap();
    assert_eq!(watch.seen(), 2);
}

#[tokio::test]
async fn a_watch_that_falls_behind_is_told_and_ends() {
    let limits = Limits { log_events: 4, ..Limits::default() };
    let store = Store::open(None, limits).unwrap();
    let mut watch = store.watch("/pods", None, 0).unwrap();
    for n in 0..6 {
        store.create(pod("a", &n.to_string()), object("")).unwrap();
    }
    assert!(matches!(watch.next().await, Some(Err(StoreError::Compacted { oldest: 2 }))));
    assert!(watch.next().await.is_none());
    assert!(matches!(store.watch("/pods", None, 1), Err(StoreError::Compacted { oldest: 2 })));
    assert_eq!(store.watch("/pods", None, 2).unwrap().next().await.unwrap().unwrap().revision, 3);
    store.watch("/nodes", None, 0).expect("another resource has lost nothing");
}

#[tokio::test]
async fn history_is_bounded_by_bytes_too() {
    let limits = Limits { log_bytes: 1000, ..Limits::default() };
    let store = Store::open(None, limits).unwrap();
    for n in 0..50 {
        store.create(pod("a", &n.to_string()), object(&"x".repeat(300))).unwrap();
    }
    let stats = store.stats();
    assert!(stats.log_bytes <= 1000 && stats.log_events >= 1, "{stats:?}");
}

#[tokio::test]
async fn watches_end_with_the_store() {
    let store = memory();
    let mut watch = store.watch("/pods", None, 0).unwrap();
    store.create(pod("a", "x"), object("")).unwrap();
    drop(store);
    assert_eq!(watch.next().await.unwrap().unwrap().revision, 1);
    assert!(watch.next().await.is_none());
}

#[test]
fn every_limit_is_kept_and_named() {
    let limits = Limits { objects: 1, object_bytes: 60, watches: 1, ..Limits::default() };
    let store = Store::open(None, limits).unwrap();
    let key = pod("a", "x");
    let large = object(&"x".repeat(60));
    let size = large.to_string().len();
    let error = store.create(key.clone(), large);
    assert!(matches!(error, Err(StoreError::TooLarge { bytes, limit: 60 }) if bytes == size), "{error:?}");
    store.create(key.clone(), object("")).unwrap();
    assert!(matches!(store.create(pod("a", "y"), object("")), Err(StoreError::TooManyObjects { limit: 1 })));
    store.delete(&key, None).unwrap();
    store.create(key, object("")).unwrap();

    let watch = store.watch("/pods", None, 0).unwrap();
    assert!(matches!(store.watch("/pods", None, 0), Err(StoreError::TooManyWatches { limit: 1 })));
    assert_eq!(store.stats().watches, 1);
    drop(watch);
    store.watch("/pods", None, 0).unwrap();

    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!([deep]);
    }
    let store = memory();
    let deep = store.create(pod("a", "z"), json!({"metadata": {}, "deep": deep}));
    assert!(matches!(deep, Err(StoreError::TooDeep { limit: 100 })));
    for odd in [json!({}), json!([]), json!(null), json!({"metadata": "x"})] {
        assert!(matches!(store.create(pod("a", "z"), odd), Err(StoreError::MalformedObject { field: "metadata", .. })));
    }
}

#[test]
fn writes_to_disk_work_on_and_off_every_kind_of_runtime() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(Some(dir.path()), Limits::default()).unwrap();
    let write = |name: &str| store.create(pod("a", name), object("")).unwrap().revision;
    assert_eq!(write("thread"), 1);
    let one = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(one.block_on(async { write("one") }), 2);
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            many.spawn(async move { store.create(pod("a", &n.to_string()), object("")).unwrap().revision })
        })
        .collect();
    let mut revisions: Vec<_> = tasks.into_iter().map(|task| many.block_on(task).unwrap()).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (3..=10).collect::<Vec<_>>());
}
