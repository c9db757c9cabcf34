use std::io::BufRead as _;
use std::process::{Command, Stdio};

use parking_lot::RwLock;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::commit::{Body, Committer, Write};
use crate::{Key, Listing, Store};

const RESOURCES: [&str; 2] = ["/pods", "/nodes"];

fn key(n: u8) -> Key {
    let namespace = n.is_multiple_of(2).then_some("default");
    Key::new(RESOURCES[usize::from(n % 2)], namespace, &format!("object-{n}"))
}

fn picture(store: &Store) -> [Listing; 2] {
    RESOURCES.map(|resource| store.list(resource, None))
}

fn open(dir: &TempDir) -> Store {
    Store::open(Some(dir.path()), Limits::default()).unwrap()
}

/// Writes, deletes or changes one object: whatever fits.
fn touch(store: &Store, n: u8, text: &str) {
    let object = json!({"metadata": {"name": "x"}, "text": text, "number": 1.5});
    match store.get(&key(n)) {
        None => store.create(key(n), object).unwrap(),
        Some(_) if text.is_empty() => store.delete(&key(n), None).unwrap(),
        Some(entry) => store.update(&key(n), entry.revision, object).unwrap(),
    };
}

/// The one file in the directory that begins with `prefix`.
fn file(dir: &TempDir, prefix: &str) -> PathBuf {
    let names = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
    let mut found = names.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix));
    let only = found.next().unwrap();
    assert_eq!(found.next(), None);
    only
}

#[test]
fn a_reopened_store_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for n in 0..6 {
        touch(&store, n, "first");
    }
    touch(&store, 2, "second");
    touch(&store, 3, "");
    let before = picture(&store);
    drop(store);
    let store = open(&dir);
    assert_eq!(picture(&store), before);
    assert_eq!(store.revision(), 8);
    assert_eq!(store.create(key(9), json!({"metadata": {}})).unwrap().revision, 9);
}

#[tokio::test]
async fn a_watch_may_come_back_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    touch(&store, 0, "first");
    touch(&store, 0, "second");
    touch(&store, 0, "");
    let mut watch = store.watch("/pods", None, 0).unwrap();
    let before: Vec<_> = std::iter::from_fn(|| watch.try_next()).collect();
    drop((store, watch));
    let store = open(&dir);
    let mut watch = store.watch("/pods", None, 0).unwrap();
    let after: Vec<_> = std::iter::from_fn(|| watch.try_next()).collect();
    assert_eq!(after, before);
}

#[test]
fn rotation_keeps_everything_but_the_history() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { file_bytes: 1000, ..Limits::default() };
    let store = Store::open(Some(dir.path()), limits.clone()).unwrap();
    for round in 0..50 {
        touch(&store, round % 10, &format!("round {round}"));
    }
    let before = picture(&store);
    assert!(store.watch("/pods", None, 0).is_ok(), "the history in memory is not touched");
    drop(store);
    assert!(std::fs::metadata(file(&dir, "log-")).unwrap().len() < 3000, "the log has been rotated");
    file(&dir, "snapshot-");
    let store = Store::open(Some(dir.path()), limits).unwrap();
    assert_eq!(picture(&store), before);
    assert!(matches!(store.watch("/pods", None, 0), Err(StoreError::Compacted { oldest }) if oldest > 0));
    assert!(matches!(store.watch("/never-seen", None, 0), Err(StoreError::Compacted { oldest }) if oldest > 0));
}

#[test]
fn a_rotation_that_was_cut_short_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    touch(&store, 1, "kept");
    let before = picture(&store);
    drop(store);
    // The log comes first, then the snapshot under another name: neither counts yet.
    std::fs::write(files::log_path(dir.path(), 7), codec::header(codec::LOG_MAGIC, 7)).unwrap();
    std::fs::write(files::snapshot_path(dir.path(), 7).with_extension("tmp"), b"half").unwrap();
    assert_eq!(picture(&open(&dir)), before);
    file(&dir, "log-");
    file(&dir, "snapshot-");
}

#[test]
fn two_processes_cannot_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(&dir);
    let second = Store::open(Some(dir.path()), Limits::default());
    let error = second.expect_err("it is in use").to_string();
    assert!(error.contains(&format!("in use by another process (pid {})", std::process::id())), "{error}");
    drop(first);
    open(&dir);
}

#[test]
fn a_write_that_does_not_reach_the_disk_is_neither_answered_nor_seen() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let Opened { mut journal, state, .. } = Journal::open(dir.path(), &limits).unwrap();
    journal.log = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (committer, state) = (Committer::new(Some(journal)), RwLock::new(state));
    let create = || {
        let body = Body { object: json!({"metadata": {}}), bytes: 0, json: b"{}".to_vec() };
        committer.write(Write::Create { key: key(1), body }, &state, &limits)
    };
    assert!(matches!(create(), Err(StoreError::Io { .. })));
    assert_eq!((state.read().revision(), state.read().get(&key(1))), (0, None));
    // /dev/full can't be cut back either, so that the log's end is unknown from here on.
    assert!(matches!(create(), Err(StoreError::WritesStopped { .. })));
    drop(committer);
    assert_eq!(open(&dir).revision(), 0);
}

#[test]
fn only_the_owner_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let store = Store::open(Some(&dir), Limits::default()).unwrap();
    touch(&store, 1, "secret");
    for path in [dir.clone(), files::log_path(&dir, 0), files::snapshot_path(&dir, 0)] {
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn damage_in_the_middle_is_refused_and_names_the_file_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for n in 0..4 {
        touch(&store, n, "text");
    }
    drop(store);
    let log = file(&dir, "log-");
    let good = std::fs::read(&log).unwrap();
    let frame = (good.len() - codec::HEADER_BYTES as usize) / 4;
    // Each byte of the header and of the second frame, its length field among them.
    let start = codec::HEADER_BYTES as usize + frame;
    for at in (0..codec::HEADER_BYTES as usize).chain(start..start + frame) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        std::fs::write(&log, &bad).unwrap();
        let error = Store::open(Some(dir.path()), Limits::default()).expect_err("damaged").to_string();
        assert!(error.contains(log.to_str().unwrap()), "{error}");
        assert!(error.contains("delete"), "{error}");
        assert_eq!(std::fs::read(&log).unwrap(), bad, "a refused file is left as it is");
    }
}

#[test]
fn a_damaged_or_missing_snapshot_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { file_bytes: 10, ..Limits::default() };
    let store = Store::open(Some(dir.path()), limits).unwrap();
    touch(&store, 1, "text");
    touch(&store, 2, "text");
    drop(store);
    let snapshot = file(&dir, "snapshot-");
    let good = std::fs::read(&snapshot).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x01;
        std::fs::write(&snapshot, &bad).unwrap();
        assert!(Store::open(Some(dir.path()), Limits::default()).is_err(), "byte {at}");
        std::fs::write(&snapshot, &good[..at]).unwrap();
        assert!(Store::open(Some(dir.path()), Limits::default()).is_err(), "cut at {at}");
    }
    std::fs::remove_file(&snapshot).unwrap();
    let error = Store::open(Some(dir.path()), Limits::default()).err().unwrap();
    assert!(matches!(&error, StoreError::CorruptFile { reason, .. } if reason.contains("snapshot")), "{error}");
}

#[test]
fn another_format_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let snapshot = file(&dir, "snapshot-");
    let mut bytes = std::fs::read(&snapshot).unwrap();
    bytes.splice(0..codec::HEADER_BYTES as usize, codec::header_of_version(codec::SNAPSHOT_MAGIC, 2, 0));
    std::fs::write(&snapshot, bytes).unwrap();
    let error = Store::open(Some(dir.path()), Limits::default()).err().unwrap();
    assert!(matches!(error, StoreError::UnsupportedFormat { found: 2, supported: 1, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Cut at any byte, the log gives the state after some prefix of the writes, says what was cut, and can be written on.
    #[test]
    fn a_log_cut_anywhere_gives_a_prefix(writes in proptest::collection::vec((0..6_u8, "[a-z]{0,3}"), 1..12)) {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        let mut pictures = vec![picture(&store)];
        for (n, text) in &writes {
            touch(&store, *n, text);
            if store.revision() as usize == pictures.len() {
                pictures.push(picture(&store));
            }
        }
        drop(store);
        let log = file(&dir, "log-");
        let whole = std::fs::read(&log).unwrap();
        let mut reached = 0;
        for length in (0..=whole.len()).step_by(7).chain([whole.len()]) {
            std::fs::write(&log, &whole[..length]).unwrap();
            let store = open(&dir);
            let revision = store.revision() as usize;
            prop_assert!(revision >= reached, "a longer file holds no less");
            reached = revision;
            prop_assert_eq!(&picture(&store), &pictures[revision]);
            let kept = std::fs::metadata(&log).unwrap().len();
            let cut = store.cut().map_or(0, |cut| cut.bytes);
            prop_assert!(kept + cut == length as u64 || (length as u64) < codec::HEADER_BYTES);
            touch(&store, 7, "after");
            let after = picture(&store);
            drop(store);
            let store = open(&dir);
            prop_assert_eq!(store.cut(), None);
            prop_assert_eq!(picture(&store), after);
        }
        prop_assert_eq!(reached + 1, pictures.len(), "the whole file holds every write");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to the log, it is refused or gives the state after some prefix of the writes: never anything else.
    #[test]
    fn a_damaged_log_never_gives_a_wrong_state(
        writes in proptest::collection::vec((0..6_u8, "[a-z]{0,3}"), 1..8),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        let mut pictures = vec![picture(&store)];
        for (n, text) in &writes {
            touch(&store, *n, text);
            if store.revision() as usize == pictures.len() {
                pictures.push(picture(&store));
            }
        }
        drop(store);
        let log = file(&dir, "log-");
        let mut bytes = std::fs::read(&log).unwrap();
        for (index, byte, kind) in damage {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        std::fs::write(&log, &bytes).unwrap();
        if let Ok(store) = Store::open(Some(dir.path()), Limits::default()) {
            let found = picture(&store);
            prop_assert!(pictures.contains(&found), "{:?}", found);
        }
    }
}

/// The writing half of the next test: it runs in a process of its own, so that it can be killed.
#[test]
fn writer_to_be_killed() {
    let Some(dir) = std::env::var_os("ISTHMUS_TEST_STORE_DIR") else { return };
    let limits = Limits { file_bytes: 4000, ..Limits::default() };
    let store = Store::open(Some(Path::new(&dir)), limits).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..3_u32 {
            let store = &store;
            scope.spawn(move || {
                for n in 0.. {
                    let key = Key::new("/pods", None, &format!("{thread}-{n}"));
                    let entry = store.create(key, json!({"metadata": {}})).unwrap();
                    println!("acknowledged {thread}-{n} {}", entry.revision);
                }
            });
        }
    });
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "journal::tests::writer_to_be_killed"])
        .env("ISTHMUS_TEST_STORE_DIR", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    for line in lines {
        let line = line.unwrap();
        let Some((_, said)) = line.split_once("acknowledged ") else { continue };
        let Some((name, revision)) = said.split_once(' ') else { continue };
        acknowledged.push((name.to_owned(), revision.to_owned()));
        if acknowledged.len() == 200 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() >= 200, "{}", acknowledged.len());
    let store = open(&dir);
    // The last line may have been cut by the kill, so that its number is a prefix of the real one.
    for (name, revision) in acknowledged.iter().take(acknowledged.len() - 1) {
        let entry = store.get(&Key::new("/pods", None, name)).unwrap_or_else(|| panic!("{name} is lost"));
        assert_eq!(entry.revision.to_string(), *revision);
    }
}
