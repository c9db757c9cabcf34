//! The software that the tests run: where it is, and the remedy where it isn't.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// Needed by a test: the interpreter with the packages of [`REQUIREMENTS`].
pub(crate) const PYTHON: &str = "python with requirements.txt";
/// Needed by a test: a second user, which a user namespace made without root doesn't have.
pub(crate) const OTHER_USER: &str = "a user that isn't root";

/// `program package` lines.
const PACKAGES: &str = include_str!("packages.txt");
const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Where Debian puts programs that needn't be on everybody's PATH.
const ELSEWHERE: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];
/// Below it a folder for each version of PostgreSQL.
const POSTGRES: &str = "/usr/lib/postgresql";

/// Something that a test needs and that isn't here.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) why: String,
    pub(crate) remedy: String,
}

/// Is all of it here?
pub(crate) fn check(needs: &[&str]) -> Result<(), Missing> {
    needs.iter().try_for_each(|need| match *need {
        PYTHON => check_python(),
        OTHER_USER if nix::unistd::geteuid().is_root() => Ok(()),
        OTHER_USER => Err(Missing { why: "it needs a user that isn't root".into(), remedy: "run it as root".into() }),
        need if find(need).is_some() => Ok(()),
        need => {
            let package = package_of(need).unwrap_or("?");
            Err(Missing {
                why: format!("{need} isn't here"),
                remedy: format!("apt-get install --no-install-recommends {package}, or run `cargo xtask test` as root"),
            })
        }
    })
}

/// The full path of a program that [`check`] has found.
pub(crate) fn path(program: &str) -> anyhow::Result<String> {
    let path = find(program).with_context(|| format!("{program} has gone"))?;
    Ok(path.display().to_string())
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

fn package_of(program: &str) -> Option<&'static str> {
    let lines = PACKAGES.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == program).map(|(_, package)| package.trim())
}

fn find(program: &str) -> Option<PathBuf> {
    let on_path = env::var_os("PATH").unwrap_or_default();
    let postgres = fs::read_dir(POSTGRES).into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let folders = env::split_paths(&on_path).chain(ELSEWHERE.map(PathBuf::from)).chain(postgres);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
