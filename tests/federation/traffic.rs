//! TrafficMetrics over the border: one edge, told by each mesh from its own side.

use anyhow::{Context, ensure};
use isthmus_tests::{meshes::Mesh, wait::until};
use serde_json::{Value, json};

use crate::{
    pod::Pod,
    scene::{IMPORT, NAMESPACE, PATIENCE, Scene},
};

/// So many calls are made.
const CALLS: usize = 25;

/// The successes of a Deployment's edge with one of another mesh, in the last hour; 0 if there is none yet.
fn told(mesh: &Mesh, deployment: &str, direction: &str, peer: &Value) -> anyhow::Result<usize> {
    let path = format!("/apis/metrics.smi-spec.io/v1alpha1/namespaces/{NAMESPACE}/deployments/{deployment}/edges?t=1h");
    let list: Value = serde_json::from_str(&mesh.kubectl.run(&["get", "--raw", &path])?)?;
    let items = list.get("items").and_then(Value::as_array).context("no items")?;
    let is = |item: &&Value| {
        item.pointer("/edge/direction") == Some(&json!(direction)) && item.pointer("/edge/resource") == Some(peer)
    };
    let Some(item) = items.iter().find(is) else { return Ok(0) };
    let count = item.pointer("/metrics/3/value").and_then(Value::as_str).context("no success_count")?;
    Ok(count.parse()?)
}

pub(crate) fn one_edge_from_both_sides(scene: &Scene) -> anyhow::Result<()> {
    scene.shared()?;
    let web = Pod::of(scene.east(), "web")?;
    let callee = json!({"mesh": "west", "kind": "Deployment", "namespace": NAMESPACE, "name": "catalog"});
    let caller = json!({"mesh": "east", "kind": "Deployment", "namespace": NAMESPACE, "name": "web"});
    let both = || {
        let (to, from) = (told(scene.east(), "web", "to", &callee)?, told(scene.west(), "catalog", "from", &caller)?);
        anyhow::Ok([to, from])
    };
    let before = both()?;
    for _ in 0..CALLS {
        web.get_ok(&format!("http://{IMPORT}/items"))?;
    }
    until("both meshes to have told all calls", PATIENCE, || {
        let now = both()?;
        let all = now.iter().zip(before).all(|(now, before)| *now >= before + CALLS);
        ensure!(all, "{before:?}, then {CALLS} calls: {now:?}");
        Ok(())
    })
}
