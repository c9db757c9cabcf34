//! Each mesh has a root of its own, which speaks for its trust domain alone, and can be changed under load.

use std::sync::Arc;

use anyhow::{Context, bail};
use isthmus_core::id::TrustDomain;
use isthmus_federation::{
    bundle_endpoint::{Fetcher, Profile},
    names::controller_id,
};
use isthmus_identity::{Bundle, HeldBundle, TrustStore};
use isthmus_tests::{
    meshes::Mesh,
    process::{self, Stopped},
    wait::{expect_eq, until},
};
use rustls_pki_types::CertificateDer;
use serde_json::Value;

use crate::{
    manifest,
    scene::{NAMESPACE, PATIENCE, SYSTEM, Scene, pods, rolled_out},
};

/// Where controllers publish their mesh's bundle.
const BUNDLE_PORT: u16 = 15016;

/// Neither mesh has the other's root as its own; each knows the other's by its bundle, of the other's trust domain alone.
pub(crate) fn bound_to_their_domains(scene: &Scene) -> anyhow::Result<()> {
    scene.shared()?;
    let (of_east, of_west) = (root(scene.east())?, root(scene.west())?);
    if of_east == of_west {
        bail!("both meshes have the same root");
    }
    for (mesh, peer, of_peer) in [(scene.east(), scene.west(), of_west), (scene.west(), scene.east(), of_east)] {
        let object = mesh.kubectl.get(NAMESPACE, "meshpeer", peer.name)?;
        let domain = object.pointer("/spec/trustDomain").and_then(Value::as_str);
        expect_eq("trust domain", domain, Some(&*format!("{}.local", peer.name)))?;
        let document = object.pointer("/status/bundle/document").and_then(Value::as_str);
        let document: Value = serde_json::from_str(document.with_context(|| format!("no bundle: {object}"))?)?;
        let keys = document.get("keys").and_then(Value::as_array).context("no keys")?;
        let certificates: Vec<_> = keys.iter().filter_map(|key| key.pointer("/x5c/0")?.as_str()).collect();
        expect_eq(&format!("roots of {} that {} knows", peer.name, mesh.name), certificates, vec![of_peer.as_str()])?;
        // What that mesh publishes for everybody is this root, and nobody else's.
        let document = object.pointer("/status/bundle/document").and_then(Value::as_str).context("no bundle")?;
        let domain = TrustDomain::new(&format!("{}.local", peer.name))?;
        let known = HeldBundle::restore(domain, document.as_bytes().to_vec())?;
        expect_eq(
            &format!("what {} publishes", peer.name),
            published(peer, known.bundle())?,
            known.bundle().roots.clone(),
        )?;
    }
    Ok(())
}

/// The roots at a mesh's bundle endpoint, which must be the controller's by those that are known.
fn published(mesh: &Mesh, known: &Bundle) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let domain = known.trust_domain.clone();
    let trusted = Arc::new(TrustStore::with(std::slice::from_ref(known))?);
    let endpoint = mesh.kubectl.port_forward(SYSTEM, "deployment/isthmus-controller", BUNDLE_PORT)?;
    let url = format!("https://127.0.0.1:{}/", endpoint.port).parse()?;
    let profile = Profile::Spiffe(controller_id(&domain)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let document = runtime.block_on(Fetcher::new(trusted).fetch(&url, &profile, domain))?;
    Ok(document.bundle.roots)
}

/// A mesh's root certificate, as bundles write it.
fn root(mesh: &Mesh) -> anyhow::Result<String> {
    let template = "go-template={{base64decode (index .data \"tls.crt\")}}";
    let pem = mesh.kubectl.run(&["get", "-n", SYSTEM, "secret", "isthmus-ca", "-o", template])?;
    Ok(pem.lines().filter(|line| !line.starts_with("-----")).collect())
}

/// Under load, with no restart; and a proxy that stands still holds it up, by name.
pub(crate) fn rotated_under_load(scene: &Scene) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let west = scene.west();
    west.kubectl.apply(NAMESPACE, &manifest::driver("idle"))?;
    rolled_out(west, "deployment/idle")?;
    let before = root(west)?;
    let started = starts(west)?;
    let rotated = load.unharmed("west's root was rotated", || {
        // Proxies that call nobody. West's root may not sign before they, too, trust the new one.
        let (at_home, abroad) = (stand_still(west, "idle")?, stand_still(scene.east(), "batch")?);
        west.kubectl.run(&["annotate", "-n", SYSTEM, "secret", "isthmus-ca", "isthmus.mesh/rotate-root=now"])?;
        waits_for(west, &at_home.pod)?;
        load.go_on()?;
        drop(at_home);
        waits_for(west, "east")?;
        load.go_on()?;
        waits_for(west, "east")?;
        drop(abroad);
        until_steady(west)?;
        root(west)
    })?;
    for line in steps(west)? {
        println!("    {line}");
    }
    if rotated == before {
        bail!("the root is the one before");
    }
    expect_eq("starts of west's containers", starts(west)?, started)?;
    west.kubectl.run(&["delete", "deployment", "-n", NAMESPACE, "idle"])?;
    let peer = scene.east().kubectl.get(NAMESPACE, "meshpeer", "west")?;
    let document = peer.pointer("/status/bundle/document").and_then(Value::as_str).context("no bundle")?;
    if !document.contains(&rotated) || document.contains(&before) {
        bail!("east knows other roots of west than the new one: {document}");
    }
    Ok(())
}

/// A mesh has a new root, and every leaf of it is signed by it.
pub(crate) fn rotate(mesh: &Mesh) -> anyhow::Result<()> {
    let before = root(mesh)?;
    let annotate = ["annotate", "-n", SYSTEM, "secret", "isthmus-ca", "isthmus.mesh/rotate-root=now", "--overwrite"];
    mesh.kubectl.run(&annotate)?;
    until("another root to be made", PATIENCE, || {
        let line = phase(mesh)?;
        if line.contains("Steady") && root(mesh)? == before { bail!("{line:?}") } else { Ok(()) }
    })?;
    until_steady(mesh)?;
    if root(mesh)? == before { bail!("the root is the one before") } else { Ok(()) }
}

fn until_steady(mesh: &Mesh) -> anyhow::Result<()> {
    until("the new root to be the only one", PATIENCE, || {
        let line = phase(mesh)?;
        if line.contains("Steady") { Ok(()) } else { bail!("{line:?}") }
    })
}

/// A pod whose proxy stands still.
struct Still {
    pod: String,
    _stopped: Stopped,
}

fn stand_still(mesh: &Mesh, app: &str) -> anyhow::Result<Still> {
    let pod = pods(mesh, NAMESPACE, &format!("app={app}"))?.into_iter().next().context("no pod")?;
    let stopped = Stopped::stop(process::of_pod(&pod, "proxy")?)?;
    Ok(Still { pod, _stopped: stopped })
}

/// Waits until the new root waits in the first phase, and says for whom.
fn waits_for(mesh: &Mesh, whom: &str) -> anyhow::Result<()> {
    let line = until(&format!("the rotation to wait for {whom}"), PATIENCE, || {
        let line = phase(mesh)?;
        let named = line.split_once("waiting for:").is_some_and(|(_, rest)| rest.contains(whom));
        if line.starts_with("Publishing") && named { Ok(line) } else { bail!("{line:?}") }
    })?;
    println!("    {line}");
    Ok(())
}

/// What the controller says of the rotation.
fn phase(mesh: &Mesh) -> anyhow::Result<String> {
    let secret = mesh.kubectl.get(SYSTEM, "secret", "isthmus-trust")?;
    let line = secret.pointer("/metadata/annotations/isthmus.mesh~1rotation").and_then(Value::as_str);
    Ok(line.unwrap_or_default().to_owned())
}

/// Reason and message of the Events of the root, in their order.
fn steps(mesh: &Mesh) -> anyhow::Result<Vec<String>> {
    let select = ["get", "events", "-n", SYSTEM, "--field-selector=involvedObject.name=isthmus-ca", "-o", "json"];
    let events: Value = serde_json::from_str(&mesh.kubectl.run(&select)?)?;
    let mut events = events.get("items").and_then(Value::as_array).cloned().context("no events")?;
    events.sort_by_key(|event| {
        event.pointer("/metadata/resourceVersion").and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok())
    });
    let text = |event: &Value, key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(events.iter().map(|event| format!("{}: {}", text(event, "reason"), text(event, "message"))).collect())
}

/// How often the containers of all pods were started anew, by pod.
fn starts(mesh: &Mesh) -> anyhow::Result<String> {
    let template = "jsonpath={range .items[*]}{.metadata.name}{.status.containerStatuses[*].restartCount}\
        {.status.initContainerStatuses[*].restartCount}{\"\\n\"}{end}";
    mesh.kubectl.run(&["get", "pods", "-A", "-o", template])
}
