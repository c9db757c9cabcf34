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

#[test]
fn names_are_safe_in_paths() {
    let root = Path::new("/nowhere");
    for bad in ["", "..", "a/b", "A", "-x", "x-", &"x".repeat(41)] {
        assert!(StateDir::below(root, bad).is_err(), "{bad:?}");
    }
    assert!(StateDir::below(root, "east-1").is_ok());
}
