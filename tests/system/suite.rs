//! `isthmus conformance run` on a fresh cluster: what it is asked for passes, and nothing is left behind. The whole suite takes
//! minutes, and is run by that very command; its report is in docs/conformance.md.

use anyhow::{Context, bail};
use isthmus_tests::{cluster::Cluster, wait::expect_eq};
use serde_json::Value;

/// This file's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![("conformance_run_passes_and_leaves_nothing", passes as super::Body)]
}

/// Some of what the specification demands, of each of its parts.
const CASES: [&str; 4] =
    ["access-targets-add-up", "access-namespace-of-source", "specs-headers-all", "split-weights-shift"];
/// What the suite marks its namespaces with.
const LABEL: &str = "conformance.isthmus.mesh/run";

fn passes(_: &Cluster) -> anyhow::Result<()> {
    // Of its own: on the shared one, other tests take the controller down.
    let cluster = Cluster::up("conformance", &[])?;
    let kubeconfig = cluster.kubectl.kubeconfig().to_string_lossy().into_owned();
    let run = ["conformance", "run", "--kubeconfig", &kubeconfig, "-o", "json", "--timeout", "60"];
    let output = cluster.isthmus().args(run).args(CASES.map(|case| format!("--filter={case}"))).output()?;
    let told: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("it said: {}", String::from_utf8_lossy(&output.stderr)))?;
    let cases = told.get("cases").and_then(Value::as_array).context("no cases")?;
    let bad: Vec<&Value> = cases.iter().filter(|case| case.get("verdict") != Some(&"passed".into())).collect();
    if !bad.is_empty() || cases.len() != CASES.len() || !output.status.success() {
        bail!("{}, {} of {} cases: {bad:#?}", output.status, bad.len(), cases.len());
    }
    let left = cluster.kubectl.run(&["get", "namespaces", "-l", LABEL, "-o", "name"])?;
    expect_eq("namespaces that are left", left.as_str(), "")
}
