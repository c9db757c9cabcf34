//! Every SMI version, by the real kubectl: what is written in one is read, patched and written back in every other, and
//! is what it was.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use isthmus_tests::{cluster::Cluster, kubectl::Kubectl, wait::expect_eq};
use serde_json::{Value, json};

/// The examples name it.
const NAMESPACE: &str = "default";
const VERSIONS: [&str; 4] = ["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"];
const EXAMPLES: [&str; 4] = [
    include_str!("versions/v1alpha1.yaml"),
    include_str!("versions/v1alpha2.yaml"),
    include_str!("versions/v1alpha3.yaml"),
    include_str!("versions/v1alpha4.yaml"),
];
/// What another version had parked.
const PARKED: &str = "isthmus.mesh/parked";

/// This file's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![
        ("versions_every_example_in_every_version", examples as super::Body),
        ("versions_clients_of_older_ones_lose_nothing", clients),
    ]
}

fn examples(cluster: &Cluster) -> anyhow::Result<()> {
    for (own, yaml) in VERSIONS.iter().zip(EXAMPLES) {
        examples_of(&cluster.kubectl, own, yaml).with_context(|| format!("the examples of {own}"))?;
    }
    Ok(())
}

/// Of one version: read, patched and written back in all versions that their kinds have.
fn examples_of(kubectl: &Kubectl, own: &str, yaml: &str) -> anyhow::Result<()> {
    // "trafficsplit.split.smi-spec.io/canary created"
    let applied = kubectl.apply(NAMESPACE, yaml)?;
    let names: Vec<&str> = applied.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let before = all(kubectl, own, &names)?;
    for version in VERSIONS {
        let label = json!({"metadata": {"labels": {"patched-in": version}}}).to_string();
        let read = documents(&all(kubectl, version, &names)?);
        kubectl.run_with(&["patch", "-f", "-", "--type=merge", "-p", &label], Some(&read))?;
        let patched = all(kubectl, version, &names)?;
        for object in &patched {
            let (api_version, kind) = (at(object, "/apiVersion").as_str().unwrap_or_default(), at(object, "/kind"));
            expect_eq(&format!("{version} of {kind}"), api_version.ends_with(version), true)?;
            expect_eq("label", at(object, "/metadata/labels/patched-in").as_str(), Some(version))?;
        }
        kubectl.run_with(&["replace", "-f", "-"], Some(&documents(&patched)))?;
        for (kind, column) in
            [("trafficsplit", "SERVICE"), ("traffictarget", "DESTINATION"), ("httproutegroup", "PROGRAMMED")]
        {
            let some = names.iter().find(|name| name.starts_with(kind)).context("no such example")?;
            let table = kubectl.run(&["get", "-n", NAMESPACE, &in_version(some, version).context("no version")?])?;
            expect_eq(&format!("{column} of {some} in {version}: {table}"), table.contains(column), true)?;
        }
    }
    for (after, before) in all(kubectl, own, &names)?.into_iter().zip(before) {
        expect_eq("an object after all", content(after), content(before))?;
    }
    kubectl.run_with(&["delete", "-n", NAMESPACE, "-f", "-", "--wait=false"], Some(yaml))?;
    Ok(())
}

fn documents(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("{object}\n")).collect()
}

/// `kind.version.group/name` of `kind.group/name`, if the kind has that version.
fn in_version(name: &str, version: &str) -> Option<String> {
    let (kind, rest) = name.split_once('.')?;
    let single = ["identitybinding", "udproute"].contains(&kind);
    (!single || version == "v1alpha4").then(|| format!("{kind}.{version}.{rest}"))
}

/// The objects in a version, all at once.
fn all(kubectl: &Kubectl, version: &str, names: &[&str]) -> anyhow::Result<Vec<Value>> {
    let names: Vec<String> = names.iter().filter_map(|name| in_version(name, version)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = kubectl.run(&[&["get", "-n", NAMESPACE, "-o", "json"], names.as_slice()].concat())?;
    let list: Value = serde_json::from_str(&text)?;
    let items = at(&list, "/items").as_array().cloned().context("kubectl gave no list")?;
    expect_eq("objects", items.len(), names.len())?;
    Ok(items)
}

fn get(kubectl: &Kubectl, resource: &str, name: &str) -> anyhow::Result<Value> {
    kubectl.get(NAMESPACE, resource, name)
}

fn at<'a>(object: &'a Value, pointer: &str) -> &'a Value {
    object.pointer(pointer).unwrap_or(&Value::Null)
}

/// What its author wrote: all fields but metadata and status, and what is parked.
fn content(mut object: Value) -> BTreeMap<String, Value> {
    let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    let parked = annotations.and_then(|annotations| annotations.remove(PARKED)).unwrap_or_default();
    let fields = object.as_object().cloned().unwrap_or_default().into_iter();
    let fields = fields.filter(|(name, _)| name != "metadata" && name != "status");
    fields.chain([("parked".to_owned(), parked)]).collect()
}

fn clients(cluster: &Cluster) -> anyhow::Result<()> {
    let kubectl = &cluster.kubectl;
    let split = |version: &str| get(kubectl, &format!("trafficsplits.{version}.split.smi-spec.io"), "kept");
    let weights = |object: &Value| {
        let backends = at(object, "/spec/backends").as_array().cloned().unwrap_or_default();
        backends.iter().map(|backend| at(backend, "/weight").clone()).collect::<Vec<_>>()
    };
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
    // As Flagger does: the fields of its struct, and the metadata as it was read.
    let read = split("v1alpha2")?;
    let typed = json!({"apiVersion": at(&read, "/apiVersion"), "kind": at(&read, "/kind"), "metadata": at(&read, "/metadata"),
        "spec": {"service": "kept", "backends":
            [{"service": "kept-canary", "weight": 25}, {"service": "kept-primary", "weight": 75}]}});
    kubectl.run_with(&["replace", "-f", "-"], Some(&typed.to_string()))?;
    let stored = split("v1alpha4")?;
    expect_eq("weights", weights(&stored), vec![json!(25), json!(75)])?;
    expect_eq("matches", at(&stored, "/spec/matches"), &matches)?;
    // As Argo Rollouts does: a merge patch of the whole list, with Quantities.
    let patch = json!({"spec": {"backends": [{"service": "kept-canary", "weight": "5"}, {"service": "kept-primary", "weight": "1e2"}]}});
    let resource = "trafficsplits.v1alpha1.split.smi-spec.io";
    kubectl.run(&["patch", "-n", NAMESPACE, resource, "kept", "--type=merge", "-p", &patch.to_string()])?;
    let stored = split("v1alpha4")?;
    expect_eq("weights", weights(&stored), vec![json!(5000), json!(100_000)])?;
    expect_eq("matches", at(&stored, "/spec/matches"), &matches)?;
    expect_eq("weights as written", weights(&split("v1alpha1")?), vec![json!("5"), json!("1e2")])?;

    let refused = kubectl.try_run(
        &[
            "patch",
            "-n",
            NAMESPACE,
            resource,
            "kept",
            "--type=merge",
            "-p",
            r#"{"spec":{"backends":[{"service":"a","weight":"much"}]}}"#,
        ],
        None,
    )?;
    if refused.code == 0 || !refused.stderr.contains("weight") {
        bail!("a weight that is no Quantity: exit {}, {}", refused.code, refused.stderr);
    }
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
    let mut read = get(kubectl, "traffictargets.v1alpha4.access.smi-spec.io", "limited")?;
    expect_eq("a port where there is none", read.pointer("/spec/destination/port"), None)?;
    if let Some(name) = read.pointer_mut("/spec/sources/0/name") {
        *name = json!("c");
    }
    let replaced = kubectl.try_run(&["replace", "-f", "-"], Some(&read.to_string()))?;
    if replaced.code != 0 || !replaced.stderr.contains("port 8080 alone") {
        bail!("who can't see the port isn't told of it: exit {}, {}", replaced.code, replaced.stderr);
    }
    let old = get(kubectl, "traffictargets.v1alpha1.access.smi-spec.io", "limited")?;
    expect_eq("the port", at(&old, "/destination/port"), &json!(8080))?;
    expect_eq("what was changed", at(&old, "/sources/0/name").as_str(), Some("c"))?;
    kubectl.run(&["delete", "-n", NAMESPACE, "traffictarget", "limited"])?;
    Ok(())
}
