//! Both meshes with their programs, and what is true of them before a test begins.

use std::time::Duration;

use anyhow::Context;
use isthmus_tests::meshes::{Mesh, Meshes};

use crate::manifest;

/// How long anything may take. Slow machines are slow; only what never comes is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// The same for `kubectl`.
const TIMEOUT: &str = "--timeout=120s";
/// Of the programs, in both meshes.
pub(crate) const NAMESPACE: &str = "shop";

/// What all tests share.
pub(crate) struct Scene {
    pub(crate) meshes: Meshes,
}

impl Scene {
    /// Starts the meshes, and the programs in both.
    pub(crate) fn set() -> anyhow::Result<Self> {
        let scene = Self { meshes: Meshes::up("federation-tests")? };
        let Meshes { east, west, .. } = &scene.meshes;
        for mesh in [east, west] {
            mesh.kubectl.run(&["create", "namespace", NAMESPACE])?;
            mesh.kubectl.run(&["label", "namespace", NAMESPACE, "isthmus.mesh/inject=enabled"])?;
        }
        east.kubectl.apply(NAMESPACE, &manifest::driver("web"))?;
        east.kubectl.apply(NAMESPACE, &manifest::driver("batch"))?;
        west.kubectl.apply(NAMESPACE, &manifest::catalog("west", 2))?;
        rolled_out(east, "deployment/web")?;
        rolled_out(east, "deployment/batch")?;
        rolled_out(west, "deployment/catalog")?;
        Ok(scene)
    }
}

/// Waits until all of a Deployment's pods are ready and new.
pub(crate) fn rolled_out(mesh: &Mesh, deployment: &str) -> anyhow::Result<()> {
    let done = mesh.kubectl.run(&["rollout", "status", "-n", NAMESPACE, deployment, TIMEOUT]).map(drop);
    done.with_context(|| format!("{}: {}", mesh.name, describe(mesh)))
}

/// What `kubectl` says of the programs' namespace, for a failure's message.
pub(crate) fn describe(mesh: &Mesh) -> String {
    let look = |what: &[&str]| {
        let args = [what, &["-n", NAMESPACE]].concat();
        mesh.kubectl.try_run(&args, None).map(|output| output.stdout + &output.stderr).unwrap_or_default()
    };
    look(&["get", "pods,services,events"]) + &look(&["describe", "pods"])
}
