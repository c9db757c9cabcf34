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

/// `isthmus up --meshes east,west`.
#[derive(Debug)]
pub struct Meshes {
    group: Group,
    /// The first one: the hub is here.
    pub east: Mesh,
    /// The other one.
    pub west: Mesh,
}

/// `isthmus up --meshes east,west/a,west/b`.
#[derive(Debug)]
pub struct Clusters {
    group: Group,
    /// A mesh of one cluster: the hub is here.
    pub east: Mesh,
    /// The first cluster of west.
    pub a: Mesh,
    /// Its other one.
    pub b: Mesh,
}

/// `isthmus up --meshes`; `isthmus down` when dropped.
#[derive(Debug)]
struct Group {
    program: PathBuf,
    name: String,
    state: TempDir,
}

/// A cluster with a mesh in it.
#[derive(Debug)]
pub struct Mesh {
    /// The cluster's name: the mesh's, and of several clusters its own behind that.
    pub name: &'static str,
    /// Bound to its cluster.
    pub kubectl: Kubectl,
    /// Of its cluster's administrator.
    pub kubeconfig: PathBuf,
}

impl Meshes {
    /// Starts both and waits until they are ready. Together they are called `name`.
    pub fn up(name: &str) -> anyhow::Result<Self> {
        let group = Group::up(name, "east,west")?;
        let of = |name| Mesh::of(name, group.state.path());
        let (east, west) = (of("east")?, of("west")?);
        Ok(Self { group, east, west })
    }

    /// The program, bound to the clusters' state folder.
    pub fn isthmus(&self) -> Command {
        cluster::isthmus(&self.group.program, self.group.state.path())
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
        self.group.state.path()
    }
}

impl Clusters {
    /// Starts all three and waits until they are ready. Together they are called `name`.
    pub fn up(name: &str) -> anyhow::Result<Self> {
        let group = Group::up(name, "east,west/a,west/b")?;
        let of = |name| Mesh::of(name, group.state.path());
        let (east, a, b) = (of("east")?, of("west-a")?, of("west-b")?);
        Ok(Self { group, east, a, b })
    }

    /// The folder that holds all of the clusters' state.
    pub fn state(&self) -> &Path {
        self.group.state.path()
    }
}

impl Group {
    fn up(name: &str, meshes: &str) -> anyhow::Result<Self> {
        let group = Self { program: kubectl::built("isthmus")?, name: name.to_owned(), state: tempfile::tempdir()? };
        cluster::up(&group.program, group.state.path(), &["--name", name, "--meshes", meshes])?;
        Ok(group)
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

impl Drop for Group {
    fn drop(&mut self) {
        cluster::down(&self.program, self.state.path(), &self.name);
    }
}
