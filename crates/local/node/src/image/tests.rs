use std::ffi::OsString;

use super::*;

struct Roles;

impl Images for Roles {
    fn command(&self, image: &str) -> Option<Vec<OsString>> {
        (image == "isthmus/proxy").then(|| vec!["/bin/isthmus".into(), "proxy".into()])
    }
}

fn resolve(image: &str) -> Result<Vec<String>, ImageError> {
    command(&Roles, image, Some(OsStr::new("/nowhere:/bin:/usr/bin")))
}

#[test]
fn roles_programs_and_files() {
    assert_eq!(resolve("isthmus/proxy:v1").unwrap(), ["/bin/isthmus", "proxy"]);
    assert_eq!(resolve("local/sh").unwrap(), ["/bin/sh"]);
    assert_eq!(resolve("local//bin/sh:latest").unwrap(), ["/bin/sh"]);
}

#[test]
fn what_is_missing_is_named_with_a_remedy() {
    assert!(resolve("local/no-such-thing").unwrap_err().to_string().contains("local//path/to/program"));
    assert!(resolve("nginx:1.27").unwrap_err().to_string().contains("local/<program>"));
    assert!(resolve("local//etc/passwd").is_err());
}

#[test]
fn tags_and_digests_are_cut_off() {
    assert_eq!(without_tag("registry:5000/a/b"), "registry:5000/a/b");
    assert_eq!(without_tag("a/b:1@sha256:00"), "a/b");
}
