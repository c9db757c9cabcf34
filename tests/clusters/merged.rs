//! Both clusters' exports are one service to other meshes.

use anyhow::{Context, bail};
use isthmus_tests::{
    meshes::{Clusters, Mesh},
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::{
    load::Load,
    pod::Pod,
    scene::{IMPORT, NAMESPACE, PATIENCE, SYSTEM, Scene, pods, rolled_out, rolled_out_in, until_endpoints},
    watch,
};

/// Calls go to both. When one's pods go the other has them all and no call fails; when its gateways go, no new connection does.
pub(crate) fn outlives_a_cluster(scene: &Scene) -> anyhow::Result<()> {
    let Clusters { east, a, b, .. } = &scene.meshes;
    let load = Load::on(scene, "caller", IMPORT)?;
    load.unharmed("load over both clusters", || shared(&load, a, b))?;
    load.unharmed("the pods of one cluster went, and came back", || {
        b.kubectl.run(&["scale", "deployment", "-n", NAMESPACE, "catalog", "--replicas=0"])?;
        until_endpoints(east, IMPORT, 1)?;
        load.go_on()?;
        b.kubectl.run(&["scale", "deployment", "-n", NAMESPACE, "catalog", "--replicas=1"])?;
        rolled_out(b, "deployment/catalog")?;
        until_endpoints(east, IMPORT, 2)?;
        shared(&load, a, b)
    })?;
    // What is under way through a gateway when that ends may be lost with it, and may have been seen: it isn't sent again.
    let fresh =
        || -> anyhow::Result<u64> { Ok(load.reports()?.iter().map(|report| report.count("tcp-new", "failed")).sum()) };
    let (before, fresh_before) = (load.count()?, fresh()?);
    b.kubectl.run(&["scale", "deployment", "-n", SYSTEM, "isthmus-gateway", "--replicas=0"])?;
    let gateways = ["-l", "app.kubernetes.io/name=isthmus-gateway", "--timeout=120s"];
    b.kubectl.run(&[&["wait", "--for=delete", "pod", "-n", SYSTEM][..], &gateways].concat())?;
    let mine = || answers(&load, b);
    until("the last answer of the cluster without gateways", PATIENCE, || {
        let before = mine()?;
        load.go_on()?;
        expect_eq("answers meanwhile", mine()? - before, 0)
    })?;
    let after = load.count()?;
    println!(
        "    its gateways went: {} failed of {}",
        after.failed - before.failed,
        after.succeeded - before.succeeded
    );
    expect_eq("new connections that failed", fresh()? - fresh_before, 0)?;
    load.unharmed("the other cluster had all calls, and its gateways came back", || {
        b.kubectl.run(&["scale", "deployment", "-n", SYSTEM, "isthmus-gateway", "--replicas=2"])?;
        rolled_out_in(b, SYSTEM, "deployment/isthmus-gateway")?;
        shared(&load, a, b)
    })?;
    load.end()
}

/// Waits until both clusters have answered since now.
fn shared(load: &Load<'_>, a: &Mesh, b: &Mesh) -> anyhow::Result<()> {
    let (of_a, of_b) = (answers(load, a)?, answers(load, b)?);
    until("a share for each cluster", PATIENCE, || {
        let shares = [answers(load, a)?.saturating_sub(of_a), answers(load, b)?.saturating_sub(of_b)];
        // Each of two has at least a quarter.
        let sum: u64 = shares.iter().sum();
        if sum < 60 || shares.iter().any(|share| share * 4 < sum) { bail!("{shares:?}") } else { Ok(()) }
    })
}

/// What the pods that a cluster has now have answered.
fn answers(load: &Load<'_>, of: &Mesh) -> anyhow::Result<u64> {
    pods(of, "app=catalog")?.iter().map(|pod| load.answers_of(pod)).sum()
}

/// One cluster gives a port another name: both exports say so, and the import, whose port keeps the name that it had. It is called
/// as before.
pub(crate) fn conflict(scene: &Scene) -> anyhow::Result<()> {
    let Clusters { east, a, b, .. } = &scene.meshes;
    let rename = |name: &str| {
        let patch = format!("[{{\"op\":\"replace\",\"path\":\"/spec/ports/0/name\",\"value\":\"{name}\"}}]");
        b.kubectl.run(&["patch", "service", "-n", NAMESPACE, "catalog", "--type=json", "-p", &patch])
    };
    rename("web")?;
    let import = format!("importedservice/{IMPORT}");
    for (mesh, object) in [(a, "exportedservice/catalog"), (b, "exportedservice/catalog"), (east, &*import)] {
        let told = watch::until_condition(mesh, object, "ResolvedRefs", "False", Some("ExportConflict"))?;
        println!("    {} {object}: {told}", mesh.name);
        if !told.contains("a's export") {
            bail!("{}: it doesn't say that a's counts: {told}", mesh.name);
        }
    }
    let service = east.kubectl.get(NAMESPACE, "service", IMPORT)?;
    let name = service.pointer("/spec/ports/0/name").and_then(Value::as_str);
    expect_eq("the port's name", name, Some("http"))?;
    let web = Pod::of(east, "web")?;
    let mut seen = std::collections::BTreeSet::new();
    until("answers of both clusters", PATIENCE, || {
        let answer = web.get_ok(&format!("http://{IMPORT}/items"))?;
        seen.insert(answer.get("version").and_then(Value::as_str).context("no version")?.to_owned());
        expect_eq("clusters that have answered", seen.len(), 2)
    })?;
    rename("http")?;
    for (mesh, object) in [(a, "exportedservice/catalog"), (b, "exportedservice/catalog"), (east, &*import)] {
        watch::until_condition(mesh, object, "ResolvedRefs", "True", None)?;
    }
    Ok(())
}
