//! Joined clusters with a mesh in each, made by the real program.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::{
    cluster,
    kubectl::{self, Kubectl},
};

/// `isthmus up --meshes east,west`; `isthmus down` when dropped.
#[derive(Debug)]
pub struct Meshes {
    program: PathBuf,
    name: String,
    state: TempDir,
    /// The first one: the hub is here.
    pub east: Mesh,
    /// The other one.
    pub west: Mesh,
}

/// One of them.
#[derive(Debug)]
pub struct Mesh {
    /// The mesh's name, and its cluster's.
    pub name: &'static str,
    /// Bound to its cluster.
    pub kubectl: Kubectl,
    /// Of its cluster's administrator.
    pub kubeconfig: PathBuf,
}

impl Meshes {
    /// Starts both and waits until they are ready. Together they are called `name`.
    pub fn up(name: &str) -> anyhow::Result<Self> {
        let program = kubectl::built("isthmus")?;
        let state = tempfile::tempdir()?;
        cluster::up(&program, state.path(), &["--name", name, "--meshes", "east,west"])?;
        let (east, west) = (Mesh::of("east", state.path())?, Mesh::of("west", state.path())?);
        Ok(Self { program, name: name.to_owned(), state, east, west })
    }

    /// The program, bound to the clusters' state folder.
    pub fn isthmus(&self) -> Command {
        cluster::isthmus(&self.program, self.state.path())
    }

    /// Runs the program for one mesh's cluster and demands success; returns what it printed.
    pub fn run(&self, mesh: &Mesh, args: &[&str]) -> anyhow::Result<String> {
        let output = self.isthmus().args(args).env("KUBECONFIG", &mesh.kubeconfig).output()?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            // Words of an invitation are secret, and long.
            let words: Vec<_> = args.iter().take(3).copied().collect();
            bail!("{}: isthmus {} exited {}:\n{out}{err}", mesh.name, words.join(" "), output.status);
        }
        Ok(out.into_owned())
    }

    /// The folder that holds all of the clusters' state.
    pub fn state(&self) -> &Path {
        self.state.path()
    }
}

impl Mesh {
    fn of(name: &'static str, state: &Path) -> anyhow::Result<Self> {
        let program = kubectl::find().map_err(anyhow::Error::msg)?;
        let kubeconfig = state.join("isthmus").join(name).join("kubeconfig");
        if !kubeconfig.exists() {
            return Err(anyhow::anyhow!("{}", kubeconfig.display())).context("isthmus up wrote no kubeconfig");
        }
        let kubectl = Kubectl::new(program, kubeconfig.clone(), state.join(format!("kubectl-cache-{name}")));
        Ok(Self { name, kubectl, kubeconfig })
    }
}

impl Drop for Meshes {
    fn drop(&mut self) {
        cluster::down(&self.program, self.state.path(), &self.name);
    }
}
