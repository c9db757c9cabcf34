use std::process::{Command, Stdio};

use super::*;

#[test]
fn what_a_dead_owner_left_is_removed_and_a_living_one_is_respected() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("pods/x")).unwrap();
    fs::write(directory.path().join(OWNER), "999999999 1").unwrap();
    let mut stray = Command::new("sleep").arg("600").env(MARK, directory.path()).stdin(Stdio::null()).spawn().unwrap();
    claim(directory.path()).unwrap();
    assert!(!stray.wait().unwrap().success());
    assert!(!directory.path().join("pods").exists());

    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    fs::write(directory.path().join(OWNER), format!("{} {}", other.id(), start_time(other.id()).unwrap())).unwrap();
    assert_eq!(claim(directory.path()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    assert!(!remove_leftovers(directory.path()).unwrap());
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(remove_leftovers(directory.path()).unwrap() && !directory.path().exists());
    claim(directory.path()).unwrap();
}
