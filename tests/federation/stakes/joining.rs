//! How meshes come together, and how they part.

use anyhow::{Context, bail};
use isthmus_tests::{meshes::Mesh, wait::expect_eq};
use serde_json::Value;

use crate::scene::{SYSTEM, Scene};

/// One text joins two meshes, once; and neither has then anything that opens the other's API server.
pub(crate) fn by_one_token(scene: &Scene) -> anyhow::Result<()> {
    let (east, west) = (scene.east(), scene.west());
    apart(scene)?;
    let token = scene.join()?;
    expect_eq("tokens", token.lines().count(), 1)?;
    // It has been used up, and by whom.
    let label = "isthmus.mesh/invitation=inviter";
    let secrets = east.kubectl.run(&["get", "secrets", "-n", SYSTEM, "-l", label, "-o", "json"])?;
    let secrets: Value = serde_json::from_str(&secrets)?;
    let states = secrets.get("items").and_then(Value::as_array).into_iter().flatten();
    let annotation = |secret: &Value, name: &str| {
        let pointer = format!("/metadata/annotations/isthmus.mesh~1invitation-{name}");
        secret.pointer(&pointer).and_then(Value::as_str).map(str::to_owned)
    };
    let states: Vec<_> = states.map(|secret| (annotation(secret, "state"), annotation(secret, "used-by"))).collect();
    if states.is_empty() || states.iter().any(|state| *state != (Some("Used".into()), Some("west".into()))) {
        bail!("not every invitation was used up by west: {states:?}");
    }
    for (mesh, other) in [(east, west), (west, east)] {
        let config: Value = serde_json::from_str(&other.kubectl.run(&["config", "view", "--raw", "-o", "json"])?)?;
        let credentials = secrets_of(&config);
        if credentials.len() < 2 {
            bail!("{}'s kubeconfig has no credentials to look for: {config}", other.name);
        }
        let kinds = "secrets,configmaps,meshes,meshpeers,importedservices,exportedservices,deployments";
        let everything = mesh.kubectl.run(&["get", kinds, "-A", "-o", "json"])?;
        if let Some(found) = credentials.iter().find(|text| everything.contains(text.as_str())) {
            let begin: String = found.chars().take(30).collect();
            bail!("{} holds {begin:?}… of {}'s kubeconfig", mesh.name, other.name);
        }
    }
    Ok(())
}

/// Neither is the other's peer any more.
fn apart(scene: &Scene) -> anyhow::Result<()> {
    for (mesh, peer) in [(scene.east(), "west"), (scene.west(), "east")] {
        if mesh.kubectl.run(&["get", "meshpeers", "-o", "name"])?.contains(peer) {
            revoke(scene, mesh, peer)?;
        }
    }
    Ok(())
}

/// Where the API server is, and what opens it. (Certificates are public.)
fn secrets_of(config: &Value) -> Vec<String> {
    let of = |pointer: &str| config.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let pointers = [
        "/clusters/0/cluster/server",
        "/users/0/user/token",
        "/users/0/user/client-key-data",
        "/users/0/user/password",
    ];
    pointers.iter().filter_map(|pointer| of(pointer)).collect()
}

/// The receipt of a revocation by command.
fn revoke(scene: &Scene, mesh: &Mesh, peer: &str) -> anyhow::Result<Value> {
    let receipt = scene.meshes.run(mesh, &["federation", "revoke", peer, "--yes", "-o", "json"])?;
    serde_json::from_str(&receipt).with_context(|| receipt)
}
