//! The software that the tests run: where it is, and the remedy where it isn't.

use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) use isthmus_tests::software::path;
use isthmus_tests::software::{self, Missing};

/// Needed by a test: the interpreter with the packages of [`REQUIREMENTS`].
pub(crate) const PYTHON: &str = "python with requirements.txt";
/// Needed by a test: a second user, which a user namespace made without root doesn't have.
pub(crate) const OTHER_USER: &str = "a user that isn't root";

const REQUIREMENTS: &str = include_str!("requirements.txt");

/// Is all of it here?
pub(crate) fn check(needs: &[&str]) -> Result<(), Missing> {
    needs.iter().try_for_each(|need| match *need {
        PYTHON => check_python(),
        OTHER_USER if nix::unistd::geteuid().is_root() => Ok(()),
        OTHER_USER => Err(Missing { why: "it needs a user that isn't root".into(), remedy: "run it as root".into() }),
        need => software::check(need),
    })
}

/// The interpreter of the environment that `cargo xtask test` makes.
pub(crate) fn python() -> String {
    venv().join("bin/python").display().to_string()
}

/// A script beside these tests.
pub(crate) fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/py").join(name).display().to_string()
}

/// The environment holds a copy of the list that it was made from.
fn check_python() -> Result<(), Missing> {
    match fs::read_to_string(venv().join("requirements.txt")) {
        Ok(made_from) if made_from == REQUIREMENTS => Ok(()),
        _ => Err(Missing {
            why: "target/interop/venv doesn't hold what tests/interop/requirements.txt lists".into(),
            remedy: "run `cargo xtask test`, with python3 and its venv module installed and PyPI in reach".into(),
        }),
    }
}

fn venv() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target").join("interop/venv")
}
