//! A proxy is started while there is no controller.

use anyhow::{Context, bail};
use isthmus_tests::{
    cluster::Cluster,
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::{
    manifest,
    stage::{PATIENCE, Stage},
};

const NAMESPACE: &str = "isthmus-system";
const CONTROLLER: &str = "deployment/isthmus-controller";
const POD: &str = "late";

pub(crate) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let stage = Stage::set(cluster, "load-late", 1, 1, &[])?;
    // It gets its sidecar from the controller, and has to wait for its start.
    stage.apply(&manifest::held_back(POD, &stage.loads(), &stage.reports_path()?))?;
    cluster.kubectl.run(&["scale", "-n", NAMESPACE, CONTROLLER, "--replicas=0"])?;
    let pods = ["wait", "-n", NAMESPACE, "--for=delete", "pod", "-l", "app.kubernetes.io/name=isthmus-controller"];
    cluster.kubectl.run(&[&pods[..], &["--timeout=120s"]].concat())?;
    stage.kubectl(&["patch", "pod", POD, "--type=merge", "-p", "{\"spec\":{\"schedulingGates\":null}}"])?;
    until("the late pod's proxy to run", PATIENCE, || {
        let running = sidecar(&stage)?.pointer("/state/running").is_some();
        if running { Ok(()) } else { bail!("it doesn't run yet") }
    })?;
    // Its admin server says what is missing.
    until("the late proxy to say that it waits", PATIENCE, || {
        let admin = cluster.kubectl.port_forward(stage.namespace, &format!("pod/{POD}"), 15020)?;
        let ready = isthmus_tests::http::send(admin.port, isthmus_tests::http::request("GET", "/ready"))?;
        expect_eq("GET /ready", ready.status().as_u16(), 503)?;
        if ready.body().contains("identity") { Ok(()) } else { bail!("GET /ready says {:?}", ready.body()) }
    })?;
    stage.go_on()?;
    expect_eq("started", sidecar(&stage)?.get("started").and_then(Value::as_bool), Some(false))?;
    cluster.kubectl.run(&["scale", "-n", NAMESPACE, CONTROLLER, "--replicas=1"])?;
    stage.kubectl(&["wait", "--for=condition=Ready", &format!("pod/{POD}"), "--timeout=120s"])?;
    until("the late pod's load", PATIENCE, || {
        let reports = stage.reports()?;
        let late = reports.iter().find(|report| report.host == POD).context("no report")?;
        if late.total("succeeded") < 100 { bail!("{late}") } else { Ok(()) }
    })?;
    stage.kubectl(&["delete", "pod", POD, "--wait=false"])?;
    stage.finish().map(drop)
}

/// The status of the late pod's sidecar.
fn sidecar(stage: &Stage<'_>) -> anyhow::Result<Value> {
    let pod = stage.cluster.kubectl.get(stage.namespace, "pod", POD)?;
    let statuses = pod.pointer("/status/initContainerStatuses").and_then(Value::as_array);
    let is_it = |status: &&Value| status.get("name").and_then(Value::as_str) == Some("isthmus-proxy");
    statuses.into_iter().flatten().find(is_it).cloned().context("the late pod has no sidecar's status")
}
