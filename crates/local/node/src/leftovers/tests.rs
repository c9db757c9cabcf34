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

/// `spawn` returns when the program is being loaded, before its environment can be read.
#[test]
fn the_environment_of_a_process_just_started_is_waited_for() {
    for _ in 0..200 {
        let mut child = Command::new("sleep").arg("600").env("JUST", "started").spawn().unwrap();
        let environment = environment(child.id().try_into().unwrap()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(environment.split(|byte| *byte == 0).any(|variable| variable == b"JUST=started"));
    }
    let mut bare = Command::new("sleep").arg("600").env_clear().spawn().unwrap();
    let begun = Instant::now();
    assert_eq!(environment(bare.id().try_into().unwrap()), Some(Vec::new()));
    assert!(begun.elapsed() < EXEC);
    bare.kill().unwrap();
    bare.wait().unwrap();
}
