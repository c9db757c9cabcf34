use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use super::*;

#[test]
fn names_are_checked() {
    for good in ["a", "isthmus-1", &"a".repeat(40)] {
        check_name(good).unwrap();
    }
    for bad in ["", "-a", "a-", "A", "a/b", "..", &"a".repeat(41)] {
        assert!(check_name(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_directory_is_below_the_users_state() {
    let from = |xdg: Option<&'static str>, home: Option<&'static str>| {
        default_path("x", |name| if name == "HOME" { home } else { xdg }.map(PathBuf::from)).ok()
    };
    assert_eq!(from(Some("/s"), Some("/h")), Some("/s/isthmus/x".into()));
    assert_eq!(from(Some("s"), Some("/h")), Some("/h/.local/state/isthmus/x".into()));
    assert_eq!(from(None, Some("/h")), Some("/h/.local/state/isthmus/x".into()));
    assert_eq!(from(None, None), None);
}

#[test]
fn a_directory_belongs_to_one_cluster_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one");
    let held = StateDir::claim(Some(&path), "one").unwrap();
    held.write_kubeconfig("secret").unwrap();
    assert_eq!(fs::metadata(held.kubeconfig()).unwrap().permissions().mode() & 0o777, 0o600);
    let error = StateDir::claim(Some(&path), "one").unwrap_err().to_string();
    assert!(error.contains(&format!("runs already (process {})", std::process::id())), "{error}");
    // As after a kill -9: the lock goes with the process, its files stay.
    fs::write(path.join("theirs"), "").unwrap();
    drop(held);
    let held = StateDir::claim(Some(&path), "one").unwrap();
    assert!(!held.kubeconfig().exists());
    held.remove();
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "only what others put there is left");
}

/// What clusters do at their end, whenever the next one has got to; not more of them than it is patient with.
#[test]
fn a_directory_may_go_while_the_next_cluster_makes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one");
    let (made, ends) = (AtomicBool::new(false), AtomicU8::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !made.load(Relaxed) {
                if ends.load(Relaxed) > 0 && fs::remove_dir(&path).is_ok() {
                    ends.fetch_sub(1, Relaxed);
                }
            }
        });
        let claim = |_| {
            ends.store(TRIES, Relaxed);
            StateDir::claim(Some(&path), "one").map(StateDir::remove)
        };
        let claims: Result<Vec<()>, Error> = (0..200).map(claim).collect();
        made.store(true, Relaxed);
        claims.unwrap();
    });
    assert!(!path.exists());
}
