//! Endpoints are added and removed.

use anyhow::bail;
use isthmus_tests::{
    cluster::Cluster,
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::stage::{PATIENCE, Stage};

pub(crate) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    // A line's connection ends with the callee that serves it.
    let stage = Stage::set(cluster, "load-scale", 2, 1, &["tcp"])?;
    for replicas in [4, 1, 3, 1] {
        stage.kubectl(&["scale", "deployment/callee-v1", &format!("--replicas={replicas}")])?;
        until(&format!("{replicas} callees and no more"), PATIENCE, || {
            let pods = stage.kubectl(&["get", "pods", "-l", "app=callee", "-o", "json"])?;
            let pods: Value = serde_json::from_str(&pods)?;
            expect_eq("pods", pods.get("items").and_then(Value::as_array).map(Vec::len), Some(replicas))
        })?;
        stage.rolled_out("deployment/callee-v1")?;
        stage.go_on()?;
    }
    // Two at first, two more, and of the last three at least one was new.
    let hosts = stage.answers("hosts")?;
    if hosts.len() < 5 {
        bail!("of all callees only these answered: {hosts:?}");
    }
    stage.finish().map(drop)
}
