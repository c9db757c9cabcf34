//! One root for all clusters of a mesh: the first rotates it, the others follow, and every phase waits for all of them.

use anyhow::{Context, bail};
use isthmus_tests::{
    meshes::{Clusters, Mesh},
    process::{self, Stopped},
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::{
    load::Load,
    manifest,
    pod::Pod,
    scene::{IMPORT, NAMESPACE, PATIENCE, SYSTEM, Scene, pods, rolled_out},
    siblings,
};

/// Under load from another mesh. A proxy of the other cluster that stands still holds it up, and the cluster is named; asked of the
/// other cluster, it is declined.
pub(crate) fn in_all_clusters(scene: &Scene) -> anyhow::Result<()> {
    let Clusters { a, b, .. } = &scene.meshes;
    b.kubectl.apply(NAMESPACE, &manifest::driver("idle"))?;
    rolled_out(b, "deployment/idle")?;
    let before = signer(a)?;
    expect_eq("b's root", signer(b)?, before.clone())?;
    ask(b)?;
    until("b to decline", PATIENCE, || {
        let events = b.kubectl.run(&["get", "events", "-n", SYSTEM, "-o", "json"])?;
        if events.contains("cluster a rotates the root of this mesh") { Ok(()) } else { bail!("no such event") }
    })?;
    let load = Load::on(scene, "root-caller", IMPORT)?;
    load.unharmed("the root of both clusters was rotated", || {
        let pod = pods(b, "app=idle")?.into_iter().next().context("no pod")?;
        let still = Stopped::stop(process::of_pod(&pod, "proxy")?)?;
        ask(a)?;
        let line = until("a to wait for b", PATIENCE, || {
            let line = phase(a)?;
            if line.starts_with("Publishing") && line.contains("cluster b to follow") {
                Ok(line)
            } else {
                bail!("{line}")
            }
        })?;
        println!("    a: {line}");
        println!("    b: {}", phase(b)?);
        load.go_on()?;
        if !phase(a)?.starts_with("Publishing") {
            bail!("it didn't wait");
        }
        drop(still);
        for mesh in [a, b] {
            until(&format!("the new root alone in {}", mesh.name), PATIENCE, || {
                let line = phase(mesh)?;
                if line.starts_with("Steady") && signer(mesh)? != before { Ok(()) } else { bail!("{line}") }
            })?;
        }
        expect_eq("b's root", signer(b)?, signer(a)?)
    })?;
    println!("    b: {}", phase(b)?);
    // The root that b would want if it became the first: never the one before.
    until("b's isthmus-ca to hold the new root", PATIENCE, || expect_eq("b's wish", wanted(b)?, signer(b)?))?;
    // What was made under the new root alone in either cluster is believed in the other.
    a.kubectl.apply(NAMESPACE, siblings::IMPORT)?;
    b.kubectl.apply(NAMESPACE, siblings::LET_IN)?;
    a.kubectl.run(&["rollout", "restart", "deployment", "-n", NAMESPACE, "web"])?;
    rolled_out(a, "deployment/web")?;
    let web = Pod::of(a, "web")?;
    until("an answer of b to a's new web", PATIENCE, || web.get_ok("http://catalog-others/items"))?;
    load.end()
}

fn ask(mesh: &Mesh) -> anyhow::Result<String> {
    mesh.kubectl.run(&["annotate", "-n", SYSTEM, "secret", "isthmus-ca", "isthmus.mesh/rotate-root=now"])
}

/// What the controller says of the rotation.
fn phase(mesh: &Mesh) -> anyhow::Result<String> {
    let secret = mesh.kubectl.get(SYSTEM, "secret", "isthmus-trust")?;
    let line = secret.pointer("/metadata/annotations/isthmus.mesh~1rotation").and_then(Value::as_str);
    Ok(line.unwrap_or_default().to_owned())
}

/// The root that signs, as its Secret has it.
fn signer(mesh: &Mesh) -> anyhow::Result<String> {
    certificate(mesh, "isthmus-trust", "signer.crt")
}

/// The root that the cluster's own Secret asks for.
fn wanted(mesh: &Mesh) -> anyhow::Result<String> {
    certificate(mesh, "isthmus-ca", "tls.crt")
}

fn certificate(mesh: &Mesh, secret: &str, entry: &str) -> anyhow::Result<String> {
    let secret = mesh.kubectl.get(SYSTEM, "secret", secret)?;
    let found = secret.get("data").and_then(|data| data.get(entry)).and_then(Value::as_str);
    Ok(found.with_context(|| format!("no {entry}"))?.to_owned())
}
