//! Clients that know an older version alone: what they can't see stays.

use isthmus_tests::{
    cluster::Cluster,
    kubectl::Kubectl,
    wait::{expect_eq, until},
};
use serde_json::json;

use super::{DEADLINE, NAMESPACE, at, get, resource, weights};

pub(super) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let kubectl = &cluster.kubectl;
    let split = |version: &str| get(kubectl, "trafficsplit", version, "kept");
    kubectl.apply(
        NAMESPACE,
        "
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: kept }
spec:
  service: kept
  backends: [{ service: kept-canary, weight: 0 }, { service: kept-primary, weight: 100 }]
  matches: [{ kind: HTTPRouteGroup, name: firefox }]
",
    )?;
    let matches = at(&split("v1alpha4")?, "/spec/matches").clone();
    // As Flagger does: the fields of its struct, and the metadata as it was read; anew if the status was written meanwhile.
    until("a PUT", DEADLINE, || {
        let read = split("v1alpha2")?;
        let typed = json!({"apiVersion": at(&read, "/apiVersion"), "kind": at(&read, "/kind"), "metadata": at(&read, "/metadata"),
            "spec": {"service": "kept", "backends":
                [{"service": "kept-canary", "weight": 25}, {"service": "kept-primary", "weight": 75}]}});
        kubectl.run_with(&["replace", "-f", "-"], Some(&typed.to_string()))
    })?;
    let stored = split("v1alpha4")?;
    expect_eq("weights", weights(&stored), vec![json!(25), json!(75)])?;
    expect_eq("matches", at(&stored, "/spec/matches"), &matches)?;
    // As Argo Rollouts does: a merge patch of the whole list, with Quantities.
    let patch = json!({"spec": {"backends": [{"service": "kept-canary", "weight": "5"}, {"service": "kept-primary", "weight": "1e2"}]}});
    let resource = resource("trafficsplit", "v1alpha1");
    kubectl.run(&["patch", "-n", NAMESPACE, &resource, "kept", "--type=merge", "-p", &patch.to_string()])?;
    let stored = split("v1alpha4")?;
    expect_eq("weights", weights(&stored), vec![json!(5000), json!(100_000)])?;
    expect_eq("matches", at(&stored, "/spec/matches"), &matches)?;
    expect_eq("weights as written", weights(&split("v1alpha1")?), vec![json!("5"), json!("1e2")])?;
    kubectl.run(&["delete", "-n", NAMESPACE, "trafficsplit", "kept"])?;
    port(kubectl)
}

/// The port of a target of the first version holds in all of them.
fn port(kubectl: &Kubectl) -> anyhow::Result<()> {
    kubectl.apply(
        NAMESPACE,
        "
apiVersion: access.smi-spec.io/v1alpha1
kind: TrafficTarget
metadata: { name: limited }
destination: { kind: ServiceAccount, name: a, port: 8080 }
specs: [{ kind: TCPRoute, name: r }]
sources: [{ kind: ServiceAccount, name: b }]
",
    )?;
    let replaced = until("a PUT", DEADLINE, || {
        let mut read = get(kubectl, "traffictarget", "v1alpha4", "limited")?;
        expect_eq("a port where there is none", read.pointer("/spec/destination/port"), None)?;
        if let Some(name) = read.pointer_mut("/spec/sources/0/name") {
            *name = json!("c");
        }
        let replaced = kubectl.try_run(&["replace", "-f", "-"], Some(&read.to_string()))?;
        expect_eq(&replaced.stderr, replaced.code, 0)?;
        Ok(replaced)
    })?;
    expect_eq("who can't see the port is told of it", replaced.stderr.contains("port 8080 alone"), true)?;
    let old = get(kubectl, "traffictarget", "v1alpha1", "limited")?;
    expect_eq("the port", at(&old, "/destination/port"), &json!(8080))?;
    expect_eq("what was changed", at(&old, "/sources/0/name").as_str(), Some("c"))?;
    kubectl.run(&["delete", "-n", NAMESPACE, "traffictarget", "limited"])?;
    Ok(())
}
