//! How meshes come together, and how they part.

use anyhow::{Context, bail};
use isthmus_tests::{
    meshes::Mesh,
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::{
    pod::{Answer, Pod},
    scene::{IMPORT, PATIENCE, SYSTEM, Scene},
};

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
    is_of_no_use(scene, &token)
}

/// A second use of an invitation is refused, with the reason, and leaves nothing behind.
fn is_of_no_use(scene: &Scene, token: &str) -> anyhow::Result<()> {
    apart(scene)?;
    let told = refused(scene, scene.west(), token)?;
    if !told.contains("used here already") {
        bail!("it isn't said that the invitation was used: {told}");
    }
    let own = refused(scene, scene.east(), token)?;
    if !own.contains("east") {
        bail!("it isn't said whose invitation it is: {own}");
    }
    for mesh in [scene.east(), scene.west()] {
        expect_eq(mesh.name, mesh.kubectl.run(&["get", "meshpeers", "-o", "name"])?.as_str(), "")?;
    }
    Ok(())
}

/// What a join says that must fail.
fn refused(scene: &Scene, mesh: &Mesh, token: &str) -> anyhow::Result<String> {
    let output =
        scene.meshes.isthmus().args(["federation", "join", token]).env("KUBECONFIG", &mesh.kubeconfig).output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    expect_eq(&format!("exit code: {told}"), output.status.code(), Some(1))?;
    println!("    {}", told.trim());
    Ok(told)
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
pub(crate) fn revoke(scene: &Scene, mesh: &Mesh, peer: &str) -> anyhow::Result<Value> {
    let receipt = scene.meshes.run(mesh, &["federation", "revoke", peer, "--yes", "-o", "json"])?;
    serde_json::from_str(&receipt).with_context(|| receipt)
}

/// Under load: every proxy confirms, what was open is cut, nothing is reached any more, and the import is gone.
pub(crate) fn revoked_by_one_command(scene: &Scene) -> anyhow::Result<()> {
    let load = scene.loaded()?;
    let east = scene.east();
    load.go_on()?;
    let proxies = proxies(east)?;
    let receipt = revoke(scene, east, "west")?;
    println!("    {receipt}");
    let number = |key: &str| receipt.get(key).and_then(Value::as_u64).with_context(|| format!("{key}: {receipt}"));
    expect_eq("proxies that confirmed, of all", number("confirmed")?, number("proxies")?)?;
    if number("proxies")? < proxies {
        bail!("{proxies} pods of east have a proxy: {receipt}");
    }
    if number("connectionsCut")? == 0 {
        bail!("the load had connections open, and none was cut: {receipt}");
    }
    number("milliseconds")?;
    let web = Pod::of(east, "web")?;
    if let Ok(Answer { status: 200, body, .. }) = web.get(&format!("http://{IMPORT}/items")) {
        bail!("revoked, and still answered: {body}");
    }
    let before = load.count()?;
    until("exchanges to fail", PATIENCE, || {
        let now = load.count()?;
        if now.failed < before.failed + 20 { bail!("{now:?}") } else { Ok(now) }
    })
    .and_then(|now| expect_eq("exchanges that succeeded after the receipt", now.succeeded, before.succeeded))?;
    // All comes back with a new invitation, to a caller that has run all the time.
    if east.kubectl.run(&["get", "meshpeers", "-o", "name"])?.contains("west") {
        bail!("the MeshPeer is still there");
    }
    revoke(scene, scene.west(), "east")?;
    scene.shared()?;
    load.go_on()
}

/// Pods of a mesh that have a proxy.
fn proxies(mesh: &Mesh) -> anyhow::Result<u64> {
    let template = "jsonpath={range .items[*]}{.spec.initContainers[*].name}{\"\\n\"}{end}";
    let names = mesh.kubectl.run(&["get", "pods", "-A", "-o", template])?;
    let count = names.lines().filter(|line| line.contains("isthmus-proxy")).count();
    if count == 0 {
        bail!("no pod outside {SYSTEM} has a proxy: {names}");
    }
    Ok(u64::try_from(count)?)
}
