//! Both meshes with their programs, and what is true of them before a test begins.

use std::time::Duration;

use anyhow::{Context, anyhow};
use isthmus_tests::{
    meshes::{Mesh, Meshes},
    wait::until,
};
use serde_json::Value;

use crate::{load::Load, manifest, pod::Pod, watch};

/// How long anything may take. Slow machines are slow; only what never comes is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// The same for `kubectl`.
const TIMEOUT: &str = "--timeout=120s";
/// Of the programs, in both meshes.
pub(crate) const NAMESPACE: &str = "shop";
/// Of the control plane, in both meshes.
pub(crate) const SYSTEM: &str = "isthmus-system";
/// In east, the name of west's catalog.
pub(crate) const IMPORT: &str = "catalog-west";

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

    pub(crate) fn east(&self) -> &Mesh {
        &self.meshes.east
    }

    pub(crate) fn west(&self) -> &Mesh {
        &self.meshes.west
    }

    /// The meshes are joined, west exports its catalog to east, and east imports it: made so where it isn't.
    pub(crate) fn shared(&self) -> anyhow::Result<()> {
        let (east, west) = (self.east(), self.west());
        if !is_peer(east, west)? || !is_peer(west, east)? {
            self.join()?;
        }
        west.kubectl.apply(NAMESPACE, manifest::EXPORT)?;
        west.kubectl.apply(NAMESPACE, manifest::LET_IN)?;
        east.kubectl.apply(NAMESPACE, manifest::IMPORT)?;
        watch::until_programmed(west, "exportedservice/catalog")?;
        watch::until_programmed(west, "traffictarget/east")?;
        watch::until_programmed(west, "traffictarget/east-lines")?;
        watch::until_freshness(east, IMPORT, "Fresh")?;
        watch::until_programmed(east, &format!("importedservice/{IMPORT}"))?;
        let web = Pod::of(east, "web")?;
        let url = format!("http://{IMPORT}/items");
        until("the first answer from the other mesh", PATIENCE, || web.get_ok(&url)).map(drop)
    }

    /// West is invited by east, and joins. The invitation, which is of no use any more.
    pub(crate) fn join(&self) -> anyhow::Result<String> {
        let token = self.meshes.run(self.east(), &["federation", "invite", "--to", "west"])?;
        let token = token.trim().to_owned();
        self.meshes.run(self.west(), &["federation", "join", &token])?;
        for (mesh, peer) in [(self.east(), "west"), (self.west(), "east")] {
            let peer = format!("meshpeer/{peer}");
            watch::until_condition(mesh, &peer, "Connected", "True", None)?;
            watch::until_condition(mesh, &peer, "TrustPropagated", "True", None)?;
        }
        Ok(token)
    }

    /// All of that, and a steady load on the import.
    pub(crate) fn loaded(&self) -> anyhow::Result<Load<'_>> {
        self.shared()?;
        Load::on(self, "caller", IMPORT)
    }
}

fn is_peer(mesh: &Mesh, other: &Mesh) -> anyhow::Result<bool> {
    let found = mesh.kubectl.run(&["get", "meshpeers", "-o", "name"])?;
    Ok(found.lines().any(|line| line.ends_with(&format!("/{}", other.name))))
}

/// The pods of a Deployment of the programs' namespace (or another), by its label `app`, that are there and not about to end.
pub(crate) fn pods(mesh: &Mesh, namespace: &str, label: &str) -> anyhow::Result<Vec<String>> {
    let list: Value =
        serde_json::from_str(&mesh.kubectl.run(&["get", "pods", "-n", namespace, "-l", label, "-o", "json"])?)?;
    let items = list.get("items").and_then(Value::as_array).context("no list")?;
    let lives = items.iter().filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
    let name = |pod: &Value| pod.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    lives.map(|pod| name(pod).ok_or_else(|| anyhow!("a pod has no name"))).collect()
}

/// Waits until all of a Deployment's pods are ready and new.
pub(crate) fn rolled_out(mesh: &Mesh, deployment: &str) -> anyhow::Result<()> {
    rolled_out_in(mesh, NAMESPACE, deployment)
}

/// The same in another namespace.
pub(crate) fn rolled_out_in(mesh: &Mesh, namespace: &str, deployment: &str) -> anyhow::Result<()> {
    let done = mesh.kubectl.run(&["rollout", "status", "-n", namespace, deployment, TIMEOUT]).map(drop);
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
