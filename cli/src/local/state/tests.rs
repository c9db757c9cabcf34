use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;

#[test]
fn whoever_holds_the_lock_runs_and_nobody_else_can() {
    let root = tempfile::tempdir().unwrap();
    let state = StateDir::below(root.path(), "test").unwrap();
    assert!(!state.is_running().unwrap());
    let held = state.hold().unwrap();
    assert!(state.is_running().unwrap());
    let record = Record { pid: 7, index: 0, api: "https://127.0.0.1:1".into(), mesh: true, ready: false, group: None };
    let before = record.clone();
    state.write_record(&record).unwrap();
    assert_eq!(state.record(), Some(record));
    assert!(!state.is_asked_to_end());
    state.ask_to_end().unwrap();
    assert!(state.is_asked_to_end());
    state.forget().unwrap();
    assert!(!state.is_asked_to_end() && state.record().is_none());
    state.write_record(&Record { group: Some("both".into()), ..before }).unwrap();
    assert_eq!(state.record().unwrap().group.as_deref(), Some("both"));
    let error = state.hold().unwrap_err().to_string();
    assert!(error.contains("process 7") && error.contains("isthmus down --name test"), "{error}");
    drop(held);
    assert!(!state.is_running().unwrap());
    state.remove().unwrap();
    state.remove().unwrap();
}

/// Commands of one name at the same moment: each cluster has its folder to itself, from before it begins until it has ended.
#[test]
fn a_folder_is_made_and_removed_by_many_at_once() {
    let root = tempfile::tempdir().unwrap();
    let state = StateDir::below(root.path(), "test").unwrap();
    let (inside, held) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for worker in 0..6 {
            let (state, inside, held) = (&state, &inside, &held);
            scope.spawn(move || {
                while held.load(Relaxed) < 300 {
                    if worker >= 4 {
                        state.is_running().unwrap();
                        state.remove().unwrap();
                        continue;
                    }
                    match state.hold() {
                        Ok(lock) => {
                            assert_eq!(inside.fetch_add(1, Relaxed), 0, "two clusters in one folder");
                            assert!(state.is_running().unwrap());
                            state.forget().unwrap();
                            state.ask_to_end().unwrap();
                            inside.fetch_sub(1, Relaxed);
                            held.fetch_add(1, Relaxed);
                            lock.remove().unwrap();
                        }
                        Err(error) => assert!(error.to_string().contains("is running already"), "{error:#}"),
                    }
                }
            });
        }
    });
    state.remove().unwrap();
    assert!(!state.path().exists());
}

#[test]
fn names_are_safe_in_paths() {
    let root = Path::new("/nowhere");
    for bad in ["", "..", "a/b", "A", "-x", "x-", &"x".repeat(41)] {
        assert!(StateDir::below(root, bad).is_err(), "{bad:?}");
    }
    assert!(StateDir::below(root, "east-1").is_ok());
}
