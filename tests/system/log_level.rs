//! `isthmus log-level`: filters of running processes, through a real API server's port-forward.

use anyhow::bail;
use isthmus_tests::{cluster::Cluster, wait::expect_eq};
use serde_json::Value;

use crate::apps::Case;

const NAMESPACE: &str = "log-levels";
const FILTER: &str = "isthmus_proxy=debug,warn";

/// This file's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![("log_filters_are_shown_and_changed_in_running_processes", changed as super::Body)]
}

/// Exit code, and what was written to both outputs.
fn run(cluster: &Cluster, args: &[&str]) -> anyhow::Result<(Option<i32>, String, String)> {
    let kubeconfig = cluster.kubectl.kubeconfig();
    let output = cluster.isthmus().arg("log-level").args(args).arg("--kubeconfig").arg(kubeconfig).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

/// Container and filter of each pod.
fn filters(cluster: &Cluster, args: &[&str]) -> anyhow::Result<Vec<(String, String)>> {
    let (code, out, err) = run(cluster, &[args, &["-o", "json"]].concat())?;
    if code != Some(0) {
        bail!("{args:?} exited {code:?}: {err}");
    }
    let rows: Vec<Value> = serde_json::from_str(&out)?;
    let field = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(rows.iter().map(|row| (field(row, "container"), field(row, "filter"))).collect())
}

fn changed(cluster: &Cluster) -> anyhow::Result<()> {
    let _case = Case::install(cluster, NAMESPACE, false)?;
    let [web, other] = ["deploy/app-c-deployment", "svc/app-b"].map(|target| [target, "-n", NAMESPACE]);
    let before = filters(cluster, &web)?;
    let sidecar = |filter: &str| vec![("isthmus-proxy".to_owned(), filter.to_owned())];
    expect_eq("one sidecar that isn't at that level yet", before.len() == 1 && before != sidecar(FILTER), true)?;
    expect_eq("the answer", filters(cluster, &[&web[..], &[FILTER]].concat())?, sidecar(FILTER))?;
    expect_eq("who asks later", filters(cluster, &web)?, sidecar(FILTER))?;
    expect_eq("the others", filters(cluster, &other)?, before)?;
    let controller = filters(cluster, &["deploy/isthmus-controller", "-n", "isthmus-system"])?;
    let containers: Vec<&str> = controller.iter().map(|(container, _)| &**container).collect();
    expect_eq("the mesh's own", containers, vec!["controller"])?;

    let (code, _, err) = run(cluster, &[&web[..], &["loud"]].concat())?;
    expect_eq("a filter that is none", (code, err.contains("loud")), (Some(64), true))?;
    let (code, _, err) = run(cluster, &["deploy/none", "-n", NAMESPACE])?;
    expect_eq("a Deployment that is none", (code, err.contains("deployments/none")), (Some(1), true))
}
