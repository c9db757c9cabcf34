//! The software that the tests run: where it is, and the remedy where it isn't.

use isthmus_tests::software::{self, Missing};
pub(crate) use isthmus_tests::software::{path, python, script};

/// Needed by a test: the interpreter with the packages of `requirements.txt`.
pub(crate) const PYTHON: &str = "python with requirements.txt";
/// Needed by a test: a second user, which a user namespace made without root doesn't have.
pub(crate) const OTHER_USER: &str = "a user that isn't root";

/// Is all of it here?
pub(crate) fn check(needs: &[&str]) -> Result<(), Missing> {
    needs.iter().try_for_each(|need| match *need {
        PYTHON => software::check_python(),
        OTHER_USER if nix::unistd::geteuid().is_root() => Ok(()),
        OTHER_USER => Err(Missing { why: "it needs a user that isn't root".into(), remedy: "run it as root".into() }),
        need => software::check(need),
    })
}
