//! Software that tests run and that isn't part of the workspace: installed where that can be done.
//!
//! A failure is told and passed over: it shows in the closing summary as the tests that it leaves out.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// `program package` lines.
const PACKAGES: &str = "tests/interop/packages.txt";
/// Pinned packages of PyPI.
const REQUIREMENTS: &str = "tests/interop/requirements.txt";
/// Where they go.
const VENV: &str = "target/interop/venv";
/// Packages ask this program whether they may start their services.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// "Forbidden by policy".
const NO_SERVICES: &str = "#!/bin/sh\nexit 101\n";

/// The whole-system tests drive the mesh with the real `kubectl`; as root on Debian it can be had.
pub(super) fn kubectl() {
    if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        tell("kubectl", apt_get(&["kubernetes-client"]));
    }
}

/// Third-party servers and their clients.
pub(super) fn servers(root: &Path) {
    let missing = fs::read_to_string(root.join(PACKAGES)).map(|list| missing(&list, installed));
    let outcome = missing.context(PACKAGES).and_then(|packages| {
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        if packages.is_empty() { Ok(()) } else { apt_get(&packages) }
    });
    tell(PACKAGES, outcome);
}

/// An environment of Python's with packages of PyPI. The list that it was made from is copied into it last.
pub(super) fn python(root: &Path) {
    let (venv, list) = (root.join(VENV), root.join(REQUIREMENTS));
    let made_from = venv.join("requirements.txt");
    if matches!((fs::read(&made_from), fs::read(&list)), (Ok(made_from), Ok(list)) if made_from == list) {
        return;
    }
    tell(REQUIREMENTS, make_venv(&venv, &list).and_then(|()| Ok(fs::copy(&list, &made_from).map(drop)?)));
}

fn make_venv(venv: &Path, list: &Path) -> anyhow::Result<()> {
    let make = || {
        let mut command = Command::new("python3");
        run(command.args(["-m", "venv", "--clear"]).arg(venv))
    };
    if make().is_err() {
        apt_get(&["python3", "python3-venv"])?;
        make()?;
    }
    let mut pip = Command::new(venv.join("bin/python"));
    run(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(list))
}

fn apt_get(packages: &[&str]) -> anyhow::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("only root may install {}", packages.join(" "));
    }
    println!("installing {}", packages.join(" "));
    let _quiet = NoServices::new()?;
    for args in [&["update", "-q"][..], &[&["install", "-qy", "--no-install-recommends"], packages].concat()] {
        run(Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    Ok(())
}

/// The packages of a list that aren't installed.
fn missing(list: &str, installed: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let packages = lines.filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned);
    packages.collect::<BTreeSet<_>>().into_iter().filter(|package| !installed(package)).collect()
}

fn installed(package: &str) -> bool {
    let query = Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}", package]).output();
    query.is_ok_and(|output| output.stdout == b"installed")
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("can't start {shown}"))?;
    if status.success() { Ok(()) } else { bail!("{shown}: {status}") }
}

fn tell(what: &str, outcome: anyhow::Result<()>) {
    if let Err(error) = outcome {
        println!("{what}: {error:#}");
    }
}

/// While it lives no package that is installed starts a service.
struct NoServices {
    /// To be removed: the machine had no policy of its own.
    made: Option<PathBuf>,
}

impl NoServices {
    fn new() -> anyhow::Result<Self> {
        Self::at(POLICY.into())
    }

    fn at(policy: PathBuf) -> anyhow::Result<Self> {
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(&policy) {
            Ok(mut file) => {
                let made = Self { made: Some(policy) };
                file.write_all(NO_SERVICES.as_bytes())?;
                Ok(made)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Self { made: None }),
            Err(error) => Err(error).with_context(|| policy.display().to_string()),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.made.as_ref().map(fs::remove_file) {
            println!("{POLICY} stays: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
