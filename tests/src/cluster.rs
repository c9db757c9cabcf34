//! A cluster with the mesh in it, made by the real program as a user makes it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::kubectl::{self, Kubectl};

/// `isthmus up --detach`, in a state folder of its own; `isthmus down` when dropped.
#[derive(Debug)]
pub struct Cluster {
    program: PathBuf,
    name: String,
    state: TempDir,
    /// Bound to this cluster.
    pub kubectl: Kubectl,
}

impl Cluster {
    /// Starts one and waits until the mesh is ready.
    pub fn up(name: &str, flags: &[&str]) -> anyhow::Result<Self> {
        let program = kubectl::built("isthmus")?;
        let state = tempfile::tempdir()?;
        up(&program, state.path(), &[&["--name", name], flags].concat())?;
        let kubeconfig = find(state.path(), "kubeconfig").context("isthmus up wrote no kubeconfig")?;
        let found = kubectl::find().map_err(anyhow::Error::msg)?;
        let kubectl = Kubectl::new(found, kubeconfig, state.path().join("kubectl-cache"));
        Ok(Self { program, name: name.to_owned(), state, kubectl })
    }

    /// The program, bound to this cluster's state folder.
    pub fn isthmus(&self) -> Command {
        isthmus(&self.program, self.state.path())
    }

    /// The folder that holds all of the cluster's state.
    pub fn state(&self) -> &Path {
        self.state.path()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        down(&self.program, self.state.path(), &self.name);
    }
}

pub(crate) fn isthmus(program: &Path, state: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("XDG_STATE_HOME", state).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// The first file of that name below the folder.
fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = fs::read_dir(dir).ok()?.filter_map(|e| Some(e.ok()?.path())).collect();
    let here = entries.iter().find(|p| p.file_name().is_some_and(|n| n == name) && p.is_file()).cloned();
    here.or_else(|| entries.iter().filter(|p| p.is_dir() && !p.is_symlink()).find_map(|p| find(p, name)))
}

/// `isthmus up --detach`: returns when all is ready.
pub(crate) fn up(program: &Path, state: &Path, flags: &[&str]) -> anyhow::Result<()> {
    let output = isthmus(program, state).args(["up", "--detach"]).args(flags).output()?;
    if !output.status.success() {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("isthmus up exited {}:\n{out}{err}{}", output.status, logs(state));
    }
    Ok(())
}

/// `isthmus down`; what goes wrong is told, for it is no test's failure.
pub(crate) fn down(program: &Path, state: &Path, name: &str) {
    let status = isthmus(program, state).args(["down", "--name", name]).status();
    if !status.as_ref().is_ok_and(|s| s.success()) {
        println!("isthmus down: {status:?}");
    }
}

pub(crate) fn logs(state: &Path) -> String {
    find(state, "cluster.log").and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default()
}
