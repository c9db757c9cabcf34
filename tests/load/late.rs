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
const SIDECAR: &str = "isthmus-proxy";

pub(crate) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let stage = Stage::set(cluster, "load-late", 1, 1, &[])?;
    // It gets its sidecar from the controller, and has to wait for its start.
    stage.apply(&manifest::held_back(POD, &stage.loads(), &stage.reports_path()?))?;
    let away = Away::begin(cluster)?;
    let pods = ["wait", "-n", NAMESPACE, "--for=delete", "pod", "-l", "app.kubernetes.io/name=isthmus-controller"];
    cluster.kubectl.run(&[&pods[..], &["--timeout=120s"]].concat())?;
    stage.kubectl(&["patch", "pod", POD, "--type=merge", "-p", "{\"spec\":{\"schedulingGates\":null}}"])?;
    until("the late pod's proxy to run", PATIENCE, || {
        let running = sidecar(&stage)?.pointer("/state/running").is_some();
        if running { Ok(()) } else { bail!("it doesn't run yet") }
    })?;
    // It says what is missing, and isn't ready. (There is no `kubectl port-forward` to a pod that is still in its start.)
    until("the late proxy to say that it waits", PATIENCE, || {
        let log = stage.kubectl(&["logs", POD, "-c", SIDECAR])?;
        if !log.contains("no certificate: trying again") || !log.contains("the controller can't be reached") {
            bail!("its log is:\n{log}");
        }
        let events = stage.kubectl(&["get", "events", "--field-selector", &format!("involvedObject.name={POD}")])?;
        if events.contains("Startup probe failed: HTTP probe failed with statuscode: 503") {
            Ok(())
        } else {
            bail!("its events are:\n{events}")
        }
    })?;
    stage.go_on()?;
    expect_eq("started", sidecar(&stage)?.get("started").and_then(Value::as_bool), Some(false))?;
    drop(away);
    stage.kubectl(&["wait", "--for=condition=Ready", &format!("pod/{POD}"), "--timeout=120s"])?;
    until("the late pod's load", PATIENCE, || {
        let reports = stage.reports()?;
        let late = reports.iter().find(|report| report.host == POD).context("no report")?;
        if late.total("succeeded") < 100 { bail!("{late}") } else { Ok(()) }
    })?;
    stage.kubectl(&["delete", "pod", POD, "--wait=false"])?;
    stage.finish().map(drop)
}

/// While it lives there is no controller.
struct Away<'a>(&'a Cluster);

impl<'a> Away<'a> {
    fn begin(cluster: &'a Cluster) -> anyhow::Result<Self> {
        let away = Self(cluster);
        away.scale("--replicas=0")?;
        Ok(away)
    }

    fn scale(&self, replicas: &str) -> anyhow::Result<()> {
        self.0.kubectl.run(&["scale", "-n", NAMESPACE, CONTROLLER, replicas]).map(drop)
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.scale("--replicas=1") {
            println!("{error:#}");
        }
    }
}

/// The status of the late pod's sidecar.
fn sidecar(stage: &Stage<'_>) -> anyhow::Result<Value> {
    let pod = stage.cluster.kubectl.get(stage.namespace, "pod", POD)?;
    let statuses = pod.pointer("/status/initContainerStatuses").and_then(Value::as_array);
    let is_it = |status: &&Value| status.get("name").and_then(Value::as_str) == Some(SIDECAR);
    statuses.into_iter().flatten().find(is_it).cloned().context("the late pod has no sidecar's status")
}
