//! The conformance suite's cases of federation, on the meshes that are here: they pass, and nothing is left in either. All of them:
//! `isthmus conformance run --peer-kubeconfig`.

use anyhow::{Context, bail};
use isthmus_tests::wait::expect_eq;
use serde_json::Value;

use crate::scene::Scene;

/// Two that make most of what the suite can make in a peer.
const CASES: [&str; 2] = ["federation-equal-accounts", "federation-export-withdrawn"];
/// What the suite marks its namespaces with.
const LABEL: &str = "conformance.isthmus.mesh/run";

pub(crate) fn passes_and_leaves_nothing(scene: &Scene) -> anyhow::Result<()> {
    scene.shared()?;
    let mut command = scene.meshes.isthmus();
    command.args(["conformance", "run", "-o", "json", "--timeout", "60"]);
    command.arg("--kubeconfig").arg(&scene.east().kubeconfig);
    command.arg("--peer-kubeconfig").arg(&scene.west().kubeconfig);
    let output = command.args(CASES.map(|case| format!("--filter={case}"))).output()?;
    let told: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("it said: {}", String::from_utf8_lossy(&output.stderr)))?;
    let cases = told.get("cases").and_then(Value::as_array).context("no cases")?;
    let bad: Vec<&Value> = cases.iter().filter(|case| case.get("verdict") != Some(&"passed".into())).collect();
    if !bad.is_empty() || cases.len() != CASES.len() || !output.status.success() {
        bail!("{}, {} of {} cases: {bad:#?}", output.status, bad.len(), cases.len());
    }
    for mesh in [scene.east(), scene.west()] {
        let left = mesh.kubectl.run(&["get", "namespaces", "-l", LABEL, "-o", "name"])?;
        expect_eq(&format!("namespaces that are left in {}", mesh.name), left.as_str(), "")?;
    }
    Ok(())
}
