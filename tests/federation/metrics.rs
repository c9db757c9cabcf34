//! What Prometheus makes of two meshes.

use anyhow::{Context, ensure};
use isthmus_tests::{
    http, left_out,
    meshes::{Mesh, Meshes},
    prometheus::{Server, lint},
    software,
    wait::{expect_eq, until},
};
use serde_json::{Value, json};

use crate::{
    gateways, manifest,
    pod::Pod,
    scene::{IMPORT, NAMESPACE, PATIENCE, SYSTEM, Scene, pods, rolled_out},
};

/// Admin ports of gateways, the hub and controllers.
const PORTS: [(&str, u16); 3] = [
    (gateways::LABEL, 15021),
    ("app.kubernetes.io/name=isthmus-hub", 15031),
    ("app.kubernetes.io/name=isthmus-controller", 15014),
];
/// A caller that nobody has seen before: its counts begin while Prometheus looks.
const CALLER: &str = "asker";
const CALLS: usize = 25;

fn possible(test: &str) -> bool {
    let missing = ["prometheus", "promtool"].into_iter().find_map(|program| software::check(program).err());
    missing.inspect(|missing| left_out::say(test, &missing.why, &missing.remedy)).is_none()
}

/// `promtool check metrics` on all that carries other meshes' traffic, or joins them.
pub(crate) fn nothing_is_wrong(scene: &Scene) -> anyhow::Result<()> {
    if !possible("promtool_finds_nothing_in_metrics_of_gateways_and_hub") {
        return Ok(());
    }
    scene.shared()?;
    let Meshes { east, west, .. } = &scene.meshes;
    let mut seen = 0;
    for mesh in [east, west] {
        for (label, port) in PORTS {
            for pod in pods(mesh, SYSTEM, label)? {
                let forward = mesh.kubectl.port_forward(SYSTEM, &format!("pod/{pod}"), port)?;
                let metrics = http::send(forward.port, http::request("GET", "/metrics"))?.into_body();
                let lines = lint(&metrics).with_context(|| pod.clone())?;
                println!("    {} {pod}: {lines} lines", mesh.name);
                seen += 1;
            }
        }
    }
    // Two gateways and a controller in each, and the hub in one.
    expect_eq("pods", seen, 7)
}

/// An edge with another mesh, by the controller's own counts and by Prometheus, in both meshes.
pub(crate) fn one_edge_by_both_sources(scene: &Scene) -> anyhow::Result<()> {
    if !possible("an_edge_over_the_border_is_told_alike_by_both_sources") {
        return Ok(());
    }
    scene.shared()?;
    let Meshes { east, west, .. } = &scene.meshes;
    let caller = manifest::driver(CALLER).replace(&format!("serviceAccountName: {CALLER}"), "serviceAccountName: web");
    east.kubectl.apply(NAMESPACE, &caller)?;
    rolled_out(east, &format!("deployment/{CALLER}"))?;
    let mut servers = Vec::new();
    for mesh in [east, west] {
        Server::asked_by_the_controller(&mesh.kubectl)?;
        let server = Server::start(&mesh.kubectl, || scene.meshes.isthmus())?;
        let sidecars = u32::try_from(pods(mesh, NAMESPACE, "app")?.len())?;
        let up = format!("count(up{{namespace=\"{NAMESPACE}\"}} == 1)");
        until("all sidecars to be scraped", PATIENCE, || server.expect(&up, f64::from(sidecars)))?;
        servers.push(server);
    }
    let asker = Pod::of(east, CALLER)?;
    for _ in 0..CALLS {
        asker.get_ok(&format!("http://{IMPORT}/items"))?;
    }
    let end =
        |mesh: &str, name: &str| json!({"mesh": mesh, "kind": "Deployment", "namespace": NAMESPACE, "name": name});
    for (mesh, deployment, peer) in [(east, CALLER, end("west", "catalog")), (west, "catalog", end("east", CALLER))] {
        let [own, prometheus] = until("both to have told all calls", PATIENCE, || {
            let [own, prometheus] = ["controller", "prometheus"].map(|source| edge(mesh, deployment, &peer, source));
            let (own, prometheus) = (own?, prometheus?);
            let counts = [&own, &prometheus].map(|edge| edge.pointer("/metrics/3/value").and_then(Value::as_str));
            let all = CALLS.to_string();
            expect_eq(mesh.name, counts, [Some(&*all); 2])?;
            ensure!(own == prometheus, "{}: {own}\nby Prometheus: {prometheus}", mesh.name);
            Ok([own, prometheus])
        })?;
        expect_eq(mesh.name, &own, &prometheus)?;
        println!("    {}: {}", mesh.name, own.pointer("/edge").unwrap_or(&Value::Null));
    }
    for mesh in [east, west] {
        Server::no_longer_asked(&mesh.kubectl)?;
        mesh.kubectl.run(&["delete", "namespace", "monitoring", "--wait=false"])?;
    }
    east.kubectl.run(&["delete", "deployment", "-n", NAMESPACE, CALLER]).map(drop)
}

/// A Deployment's edge with one of another mesh, without the time of asking.
fn edge(mesh: &Mesh, deployment: &str, peer: &Value, source: &str) -> anyhow::Result<Value> {
    let base = "/apis/metrics.smi-spec.io/v1alpha1";
    let path = format!("{base}/namespaces/{NAMESPACE}/deployments/{deployment}/edges?t=10m&source={source}");
    let list: Value = serde_json::from_str(&mesh.kubectl.run(&["get", "--raw", &path])?)?;
    let items = list.get("items").and_then(Value::as_array).context("no items")?;
    let found = items.iter().find(|item| item.pointer("/edge/resource") == Some(peer));
    let mut found = found.with_context(|| format!("{source} knows no such edge: {list}"))?.clone();
    if let Some(fields) = found.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "timestamp" | "metadata"));
    }
    Ok(found)
}
