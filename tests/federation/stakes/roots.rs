//! Each mesh has a root of its own, which speaks for its trust domain alone.

use anyhow::{Context, bail};
use isthmus_tests::{meshes::Mesh, wait::expect_eq};
use serde_json::Value;

use crate::scene::{NAMESPACE, SYSTEM, Scene};

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
    }
    Ok(())
}

/// A mesh's root certificate, as bundles write it.
fn root(mesh: &Mesh) -> anyhow::Result<String> {
    let template = "go-template={{base64decode (index .data \"tls.crt\")}}";
    let pem = mesh.kubectl.run(&["get", "-n", SYSTEM, "secret", "isthmus-ca", "-o", template])?;
    Ok(pem.lines().filter(|line| !line.starts_with("-----")).collect())
}
