//! The three clusters with their programs, and what is true of them before a test begins: both of west export the same catalog,
//! and east imports it once.

use std::time::Duration;

use anyhow::{Context, anyhow};
use isthmus_tests::{
    meshes::{Clusters, Mesh},
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::{manifest, pod::Pod, watch};

/// How long anything may take. Slow machines are slow; only what never comes is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// The same for `kubectl`.
const TIMEOUT: &str = "--timeout=120s";
/// Of the programs, in all clusters.
pub(crate) const NAMESPACE: &str = "shop";
/// Of the control plane, in all clusters.
pub(crate) const SYSTEM: &str = "isthmus-system";
/// In east, the name of west's catalog.
pub(crate) const IMPORT: &str = "catalog-west";

/// Offered to east, and to the other cluster.
const EXPORT: &str = "
apiVersion: federation.isthmus.mesh/v1alpha1
kind: ExportedService
metadata: { name: catalog }
spec: { to: [east, west] }
";

/// What all tests share.
pub(crate) struct Scene {
    pub(crate) meshes: Clusters,
}

impl Scene {
    /// Starts the clusters, and the programs in all.
    pub(crate) fn set() -> anyhow::Result<Self> {
        let scene = Self { meshes: Clusters::up("clusters-tests")? };
        let Clusters { east, a, b, .. } = &scene.meshes;
        for mesh in [east, a, b] {
            mesh.kubectl.run(&["create", "namespace", NAMESPACE])?;
            mesh.kubectl.run(&["label", "namespace", NAMESPACE, "isthmus.mesh/inject=enabled"])?;
            mesh.kubectl.apply(NAMESPACE, &manifest::driver("web"))?;
        }
        for (mesh, version) in [(a, "a"), (b, "b")] {
            mesh.kubectl.apply(NAMESPACE, &manifest::catalog(version, 1))?;
            mesh.kubectl.apply(NAMESPACE, manifest::LET_IN)?;
            rolled_out(mesh, "deployment/catalog")?;
            mesh.kubectl.apply(NAMESPACE, EXPORT)?;
            watch::until_programmed(mesh, "exportedservice/catalog")?;
        }
        [east, a, b].into_iter().try_for_each(|mesh| rolled_out(mesh, "deployment/web"))?;
        east.kubectl.apply(NAMESPACE, manifest::IMPORT)?;
        until_endpoints(east, IMPORT, 2)?;
        watch::until_programmed(east, &format!("importedservice/{IMPORT}"))?;
        let web = Pod::of(east, "web")?;
        until("the first answer from the other mesh", PATIENCE, || web.get_ok(&format!("http://{IMPORT}/items")))?;
        Ok(scene)
    }
}

/// Waits until an import has so many remote endpoints.
pub(crate) fn until_endpoints(mesh: &Mesh, import: &str, wanted: u64) -> anyhow::Result<()> {
    until(&format!("{wanted} endpoints of {import} in {}", mesh.name), PATIENCE, || {
        let live = mesh.kubectl.get(NAMESPACE, "importedservice", import)?;
        let seen = live.pointer("/status/endpoints").and_then(Value::as_u64);
        expect_eq(&format!("endpoints ({live})"), seen, Some(wanted))
    })
}

/// The pods of a namespace with this label that are there and not about to end.
pub(crate) fn pods(mesh: &Mesh, label: &str) -> anyhow::Result<Vec<String>> {
    let list = mesh.kubectl.run(&["get", "pods", "-n", NAMESPACE, "-l", label, "-o", "json"])?;
    let list: Value = serde_json::from_str(&list)?;
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
