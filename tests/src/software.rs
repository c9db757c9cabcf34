//! Programs of other people that tests run: where they are, and the remedy where they aren't.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// `program package` lines.
const PACKAGES: &str = include_str!("../interop/packages.txt");
/// What an interpreter of the tests' own has from PyPI.
const REQUIREMENTS: &str = include_str!("../interop/requirements.txt");
/// Where Debian puts programs that needn't be on everybody's PATH.
const ELSEWHERE: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];
/// Below it a folder for each version of PostgreSQL.
const POSTGRES: &str = "/usr/lib/postgresql";

/// Something that a test needs and that isn't here.
#[derive(Debug)]
pub struct Missing {
    /// What lacks.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}

/// Is the program here?
pub fn check(program: &str) -> Result<(), Missing> {
    if find(program).is_some() {
        return Ok(());
    }
    let package = package_of(program).unwrap_or("?");
    Err(Missing {
        why: format!("{program} isn't here"),
        remedy: format!("apt-get install --no-install-recommends {package}, or run `cargo xtask test` as root"),
    })
}

/// The full path of a program that [`check`] has found.
pub fn path(program: &str) -> anyhow::Result<String> {
    let path = find(program).with_context(|| format!("{program} has gone"))?;
    Ok(path.display().to_string())
}

/// Is the interpreter here that `cargo xtask test` makes, with the packages of `tests/interop/requirements.txt`? It holds a copy of
/// the list that it was made from.
pub fn check_python() -> Result<(), Missing> {
    match fs::read_to_string(venv().join("requirements.txt")) {
        Ok(made_from) if made_from == REQUIREMENTS => Ok(()),
        _ => Err(Missing {
            why: "target/interop/venv doesn't hold what tests/interop/requirements.txt lists".into(),
            remedy: "run `cargo xtask test`, with python3 and its venv module installed and PyPI in reach".into(),
        }),
    }
}

/// The interpreter that [`check_python`] has found.
pub fn python() -> String {
    venv().join("bin/python").display().to_string()
}

/// A script of `tests/interop/py`.
pub fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/py").join(name).display().to_string()
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
