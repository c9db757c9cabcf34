//! A split whose weights change a hundred times.

use ::http::HeaderValue;
use anyhow::bail;
use isthmus_tests::{
    cluster::Cluster,
    http,
    kubectl::PortForward,
    wait::{expect_eq, until},
};
use serde_json::json;

use crate::{
    manifest,
    stage::{PATIENCE, Stage},
};

const CHANGES: u64 = 100;

const SPLIT: &str = "
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: versions }
spec:
  service: callee
  backends: [{ service: callee-v1, weight: 100 }, { service: callee-v2, weight: 0 }]
";

pub(crate) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let stage = Stage::set(cluster, "load-weights", 1, 1, &[])?;
    stage.apply(SPLIT)?;
    stage.programmed("trafficsplit/versions")?;
    stage.apply(&manifest::callees("v2", 1))?;
    stage.rolled_out("deployment/callee-v2")?;
    let before = stage.answers("versions")?;
    let api = cluster.kubectl.proxy()?;
    for number in 1..=CHANGES {
        // From one end to the other and back, in steps of every size.
        let first = (number * 37) % 101;
        weigh(&stage, &api, first, 100 - first)?;
        if number % 20 == 0 {
            stage.go_on()?;
        }
    }
    let split = cluster.kubectl.get(stage.namespace, "trafficsplit", "versions")?;
    expect_eq("generation", split.pointer("/metadata/generation").cloned(), Some(json!(CHANGES + 1)))?;
    let after = stage.answers("versions")?;
    for version in ["v1", "v2"] {
        if after.get(version) <= before.get(version) {
            bail!("{version} answered nothing while the weights changed: {before:?}, then {after:?}");
        }
    }
    weigh(&stage, &api, 0, 100)?;
    stage.programmed("trafficsplit/versions")?;
    // What had been sent before may still be answered; then the old version hears no more of anything.
    until("version 1 to have no more traffic", PATIENCE, || {
        let before = stage.answers("versions")?;
        stage.go_on()?;
        expect_eq("answers of v1", stage.answers("versions")?.get("v1"), before.get("v1"))
    })?;
    stage.finish().map(drop)
}

fn weigh(stage: &Stage<'_>, api: &PortForward, first: u64, second: u64) -> anyhow::Result<()> {
    let backends = json!([{ "service": "callee-v1", "weight": first }, { "service": "callee-v2", "weight": second }]);
    let patch = json!({ "spec": { "backends": backends } }).to_string();
    let split = format!("/apis/split.smi-spec.io/v1alpha4/namespaces/{}/trafficsplits/versions", stage.namespace);
    let mut request = http::with_body("PATCH", &split, patch);
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/merge-patch+json"));
    let answer = http::send(api.port, request)?;
    expect_eq(&format!("PATCH: {}", answer.body()), answer.status().as_u16(), 200)
}
