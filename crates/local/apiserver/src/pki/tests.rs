use super::*;

#[test]
fn a_directory_keeps_the_authorities_and_hides_the_keys() {
    let dir = tempfile::tempdir().unwrap();
    let first = Pki::load_or_create(Some(dir.path()), &["localhost".to_owned()], &[]).unwrap();
    let second = Pki::load_or_create(Some(dir.path()), &["localhost".to_owned()], &[]).unwrap();
    assert_eq!(first.ca_pem(), second.ca_pem());
    assert_eq!(first.front_proxy_ca_pem(), second.front_proxy_ca_pem());
    assert_eq!(first.service_account_key_der(), second.service_account_key_der());
    assert!(!format!("{first:?} {:?}", first.admin()).contains("PRIVATE"));
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(dir.path().join("ca.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_damaged_key_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.key"), "nonsense").unwrap();
    let error = Pki::load_or_create(Some(dir.path()), &[], &[]).unwrap_err();
    assert!(error.to_string().contains("ca.key"), "{error}");
}
