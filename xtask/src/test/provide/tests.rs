use std::{fs, os::unix::fs::PermissionsExt};

use super::{NO_SERVICES, NoServices, missing};

#[test]
fn what_is_missing_is_named_once() {
    let list = "# a comment\ninitdb  postgresql\npsql    postgresql\nnginx   nginx\ncurl    curl\n";
    let missing = missing(list, |package| package == "nginx");
    assert_eq!(missing.into_iter().collect::<Vec<_>>(), ["curl", "postgresql"]);
}

#[test]
fn services_are_kept_from_starting_only_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("policy-rc.d");
    let guard = NoServices::at(policy.clone()).unwrap();
    assert_eq!(fs::read_to_string(&policy).unwrap(), NO_SERVICES);
    assert_eq!(fs::metadata(&policy).unwrap().permissions().mode() & 0o777, 0o755);
    drop(guard);
    assert!(!policy.exists());
}

#[test]
fn a_policy_of_the_machine_itself_stays() {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("policy-rc.d");
    fs::write(&policy, "its own").unwrap();
    drop(NoServices::at(policy.clone()).unwrap());
    assert_eq!(fs::read_to_string(&policy).unwrap(), "its own");
}
