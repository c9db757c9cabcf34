//! `isthmus federation check` walks the way from both sides.

use anyhow::{Context, bail};
use isthmus_tests::wait::expect_eq;
use serde_json::{Value, json};

use crate::{
    link::Fault,
    scene::{IMPORT, NAMESPACE, Scene, pods},
};

/// Good, it walks every step of both sides to a real request; with the gateways cut off it stops there and says what to do.
pub(crate) fn from_both_sides(scene: &Scene) -> anyhow::Result<()> {
    scene.shared()?;
    let (code, report) = run(scene)?;
    expect_eq(&format!("exit code: {report}"), code, Some(0))?;
    expect_eq("success", report.get("success").and_then(Value::as_bool), Some(true))?;
    for side in ["east", "west"] {
        let of_side = categories(&report).filter(|c| text(c, "categoryName").starts_with(side));
        let steps: Vec<_> = of_side.filter_map(|c| c.get("checks")?.as_array()).flatten().collect();
        // West imports nothing: whether it could call is what can't be said.
        let walked =
            |step: &&Value| text(step, "result") == "success" || text(step, "error").contains("nothing is imported");
        if steps.len() < 10 || !steps.iter().all(walked) {
            bail!("not every step of {side} was walked: {steps:?}");
        }
    }
    let asked = steps(&report).any(|step| text(step, "description").contains("request"));
    expect_eq("a real request", asked, true)?;

    let cut = Fault::begin(scene.east(), &json!([{ "cluster": "west", "port": 15443 }]))?;
    let (code, report) = run(scene)?;
    expect_eq(&format!("exit code with the gateways cut off: {report}"), code, Some(1))?;
    let fault = fault(&report).with_context(|| format!("no step failed: {report}"))?;
    let hint = fault.get("hint").and_then(Value::as_str).unwrap_or_default();
    if hint.is_empty() || !fault.to_string().contains("gateway") {
        bail!("the fault names neither the gateway nor a remedy: {fault}");
    }
    println!("    cut off: {fault}");
    cut.end()
}

/// Of east, with west's kubeconfig for the other side.
pub(crate) fn run(scene: &Scene) -> anyhow::Result<(Option<i32>, Value)> {
    let pod = pods(scene.east(), NAMESPACE, "app=web")?.into_iter().next().context("no pod")?;
    let mut command = scene.meshes.isthmus();
    command.args(["federation", "check", "-o", "json", "--from", &format!("{NAMESPACE}/{pod}")]);
    command.arg("--url").arg(format!("http://{IMPORT}.{NAMESPACE}/items"));
    command.arg("--peer-kubeconfig").arg(&scene.west().kubeconfig).env("KUBECONFIG", &scene.east().kubeconfig);
    let output = command.output()?;
    let report = serde_json::from_slice(&output.stdout);
    let report = report.with_context(|| format!("{:?}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output.status.code(), report))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn categories(report: &Value) -> impl Iterator<Item = &Value> {
    report.get("categories").and_then(Value::as_array).into_iter().flatten()
}

/// The step that failed.
pub(crate) fn fault(report: &Value) -> Option<&Value> {
    steps(report).find(|step| step.get("result").and_then(Value::as_str) == Some("error"))
}

fn steps(report: &Value) -> impl Iterator<Item = &Value> {
    categories(report).filter_map(|category| category.get("checks")?.as_array()).flatten()
}
