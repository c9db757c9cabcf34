//! The upstream conformance scenarios (learn-layer5 `smi-conformance`, smi.md §2.3–2.5) with the fixes of §2.7:
//! host names that resolve, v1 CRDs, `spec.matches`, no `destination.port`, failures that count, denial seen as 403.

use anyhow::{Context, bail};
use isthmus_tests::{cluster::Cluster, wait::expect_eq};
use serde_json::Value;

mod access;
mod spec;
mod split;

/// This file's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![
        ("conformance_traffic_access_7_steps", access::run as super::Body),
        ("conformance_traffic_spec_6_steps", spec::run),
        ("conformance_traffic_split_11_steps", split::run),
    ]
}

/// Step 01: the CRD is there, established, with its short name.
fn crd(cluster: &Cluster, name: &str, short: &str) -> anyhow::Result<()> {
    let crd: Value = serde_json::from_str(&cluster.kubectl.run(&["get", "crd", name, "-o", "json"])?)?;
    let accepted = crd.pointer("/status/acceptedNames/shortNames/0").and_then(Value::as_str);
    expect_eq("acceptedNames.shortNames", accepted, Some(short))
}

/// An error that names the step, as upstream's reports do.
fn step<T>(number: u8, name: &str, outcome: anyhow::Result<T>) -> anyhow::Result<T> {
    outcome.with_context(|| format!("failed in step {number:02}-{name}"))
}

fn expect(what: &str, holds: bool) -> anyhow::Result<()> {
    if holds { Ok(()) } else { bail!("{what}") }
}
