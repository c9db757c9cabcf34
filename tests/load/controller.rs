//! The controller is killed without a word, and comes back.

use anyhow::{Context, bail};
use isthmus_tests::{
    cluster::Cluster,
    process,
    wait::{expect_eq, until},
};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::{
    manifest,
    stage::{PATIENCE, Stage},
};

const NAMESPACE: &str = "isthmus-system";

pub(crate) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let stage = Stage::set(cluster, "load-controller", 2, 1, &[])?;
    let (pod, restarts) = controller(cluster)?;
    let before = stage.succeeded()?;
    kill(process::of_pod(&pod, "controller")?, Signal::SIGKILL)?;
    until("the controller to have been started again", PATIENCE, || {
        let (now, again) = controller(cluster)?;
        expect_eq("the controller's pod", &now, &pod)?;
        expect_eq("its restarts", again, restarts + 1)
    })?;
    cluster.kubectl.run(&[
        "wait",
        "-n",
        NAMESPACE,
        "--for=condition=Ready",
        &format!("pod/{pod}"),
        "--timeout=120s",
    ])?;
    if stage.succeeded()? == before {
        bail!("the load stood still while the controller was away");
    }
    // It is in charge again: what is new is found, and asked.
    stage.apply(&manifest::callees("v2", 1))?;
    stage.rolled_out("deployment/callee-v2")?;
    until("answers of a callee that is new", PATIENCE, || {
        stage.answers("versions")?.get("v2").copied().context("version 2 has answered nothing").map(drop)
    })?;
    stage.finish().map(drop)
}

/// The controller's pod and how often its program was started again.
fn controller(cluster: &Cluster) -> anyhow::Result<(String, u64)> {
    let select = ["get", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=isthmus-controller", "-o", "json"];
    let pods: Value = serde_json::from_str(&cluster.kubectl.run(&select)?)?;
    let name = pods.pointer("/items/0/metadata/name").and_then(Value::as_str).context("no controller")?;
    let restarts = pods.pointer("/items/0/status/containerStatuses/0/restartCount").and_then(Value::as_u64);
    Ok((name.to_owned(), restarts.unwrap_or(0)))
}
