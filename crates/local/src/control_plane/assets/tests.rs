use std::io::{Read, Write};

use super::*;

#[test]
fn missing_programs_are_told_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("etcd"), "").unwrap();
    let error = programs(dir.path()).unwrap_err().to_string();
    assert!(error.contains("\"kube-apiserver\"") && error.contains("unset KUBEBUILDER_ASSETS"), "{error}");
    std::fs::write(dir.path().join("kube-apiserver"), "").unwrap();
    programs(dir.path()).unwrap();
}

#[test]
fn only_processes_with_the_mark_of_this_directory_are_ended() {
    let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (mut mine, mut theirs) = (running(&one), running(&two));
    end_leftovers(one.path());
    assert!(!mine.wait().unwrap().success());
    assert!(theirs.try_wait().unwrap().is_none());
    theirs.kill().unwrap();
    theirs.wait().unwrap();
}

/// A process that has answered. Just after `spawn` its environment may not be readable yet.
fn running(mark: &tempfile::TempDir) -> std::process::Child {
    let mut cat = std::process::Command::new("cat")
        .env(leftovers::MARK, mark.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    cat.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    cat.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    cat
}
