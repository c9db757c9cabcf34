//! The conformance suite as a program, run on meshes of a test.

use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::{kubectl::Kubectl, wait::expect_eq};

/// What the suite marks its namespaces with.
const LABEL: &str = "conformance.isthmus.mesh/run";

/// Has `isthmus`, with these arguments, run these cases and no others. All must pass.
pub fn passes(isthmus: &mut Command, args: &[&str], cases: &[&str]) -> anyhow::Result<()> {
    isthmus.args(["conformance", "run", "-o", "json", "--timeout", "60"]).args(args);
    let output = isthmus.args(cases.iter().map(|case| format!("--filter={case}"))).output()?;
    let told: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("it said: {}", String::from_utf8_lossy(&output.stderr)))?;
    let ran = told.get("cases").and_then(Value::as_array).context("no cases")?;
    let bad: Vec<&Value> = ran.iter().filter(|case| case.get("verdict") != Some(&"passed".into())).collect();
    if !bad.is_empty() || ran.len() != cases.len() || !output.status.success() {
        bail!("{}, {} of {} cases: {bad:#?}", output.status, bad.len(), ran.len());
    }
    Ok(())
}

/// It has left no namespace of its own.
pub fn leaves_nothing(kubectl: &Kubectl) -> anyhow::Result<()> {
    let left = kubectl.run(&["get", "namespaces", "-l", LABEL, "-o", "name"])?;
    expect_eq("namespaces that are left", left.as_str(), "")
}
