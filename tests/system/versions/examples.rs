//! Objects in the shapes of every example of the specification, and of those that others have written.

use std::collections::BTreeMap;

use anyhow::Context;
use isthmus_tests::{
    cluster::Cluster,
    kubectl::Kubectl,
    wait::{expect_eq, until},
};
use serde_json::{Value, json};

use super::{DEADLINE, NAMESPACE, VERSIONS, at};

const EXAMPLES: [&str; 4] = [
    include_str!("examples/v1alpha1.yaml"),
    include_str!("examples/v1alpha2.yaml"),
    include_str!("examples/v1alpha3.yaml"),
    include_str!("examples/v1alpha4.yaml"),
];
/// What another version had parked.
const PARKED: &str = "isthmus.mesh/parked";
/// Where kubectl keeps what it was given.
const GIVEN: &str = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
/// Kinds, and a column of theirs that shows this field in all versions.
const COLUMNS: [(&str, &str, &[&str]); 2] = [
    ("trafficsplit", "SERVICE", &["/spec/service"]),
    ("traffictarget", "DESTINATION", &["/spec/destination/name", "/destination/name"]),
];

pub(super) fn run(cluster: &Cluster) -> anyhow::Result<()> {
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
    for object in &before {
        let given = serde_json::from_str(at(object, GIVEN).as_str().context("kubectl keeps what it was given")?)?;
        expect_eq("what is read first", content(object.clone()), content(given))?;
    }
    for version in VERSIONS {
        let read = documents(&all(kubectl, version, &names)?);
        let label = json!({"metadata": {"labels": {"patched-in": version}}}).to_string();
        kubectl.run_with(&["patch", "-f", "-", "--type=merge", "-p", &label], Some(&read))?;
        let label = json!([{"op": "add", "path": "/metadata/labels/added-in", "value": version}]).to_string();
        kubectl.run_with(&["patch", "-f", "-", "--type=json", "-p", &label], Some(&read))?;
        let mut patched = all(kubectl, version, &names)?;
        for object in &patched {
            let (api_version, kind) = (at(object, "/apiVersion").as_str().unwrap_or_default(), at(object, "/kind"));
            expect_eq(&format!("{version} of {kind}"), api_version.ends_with(version), true)?;
            for label in ["patched-in", "added-in"] {
                expect_eq(label, at(object, &format!("/metadata/labels/{label}")).as_str(), Some(version))?;
            }
        }
        patched.iter_mut().for_each(unpin);
        // kubectl looks the version up before each PUT: a status may be written in between.
        let replaced = documents(&patched);
        until("a PUT", DEADLINE, || kubectl.run_with(&["replace", "-f", "-"], Some(&replaced)))?;
        let whole: Vec<Value> = patched.into_iter().map(applicable).collect();
        let apply = ["apply", "-f", "-", "--server-side", "--force-conflicts", "--field-manager=examples"];
        kubectl.run_with(&apply, Some(&documents(&whole)))?;
        columns(kubectl, version, &whole)?;
    }
    for (after, before) in all(kubectl, own, &names)?.into_iter().zip(before) {
        expect_eq("an object after all", content(after), content(before))?;
    }
    kubectl.run_with(&["delete", "-n", NAMESPACE, "-f", "-", "--wait=false"], Some(yaml))?;
    Ok(())
}

/// Every version's table shows the same.
fn columns(kubectl: &Kubectl, version: &str, objects: &[Value]) -> anyhow::Result<()> {
    for (kind, column, pointers) in COLUMNS {
        let table = kubectl.run(&["get", "-n", NAMESPACE, &super::resource(kind, version)])?;
        let mut lines = table.lines();
        let place = lines.next().and_then(|header| header.split_whitespace().position(|word| word == column));
        let place = place.with_context(|| format!("{kind} in {version} has no column {column}"))?;
        let shown: BTreeMap<_, _> = lines
            .filter_map(|line| {
                let cells: Vec<_> = line.split_whitespace().collect();
                Some((*cells.first()?, *cells.get(place)?))
            })
            .collect();
        for object in
            objects.iter().filter(|object| at(object, "/kind").as_str().is_some_and(|k| k.eq_ignore_ascii_case(kind)))
        {
            let name = at(object, "/metadata/name").as_str().unwrap_or_default();
            let value = pointers.iter().find_map(|pointer| object.pointer(pointer)?.as_str());
            expect_eq(&format!("{column} of {name} in {version}"), shown.get(name).copied(), value)?;
        }
    }
    Ok(())
}

/// The status is written all the while, which is no conflict here.
fn unpin(object: &mut Value) {
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
}

/// What somebody may apply of an object that was read.
fn applicable(mut object: Value) -> Value {
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| ["name", "namespace", "labels", "annotations"].contains(&field.as_str()));
    }
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    object
}

fn documents(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("{object}\n")).collect()
}

/// The objects in a version, all at once; of kinds that have it.
fn all(kubectl: &Kubectl, version: &str, names: &[&str]) -> anyhow::Result<Vec<Value>> {
    let in_version = |name: &&str| {
        let (kind, rest) = name.split_once('.')?;
        let single = ["identitybinding", "udproute"].contains(&kind);
        (!single || version == "v1alpha4").then(|| format!("{kind}.{version}.{rest}"))
    };
    let names: Vec<String> = names.iter().filter_map(in_version).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = kubectl.run(&[&["get", "-n", NAMESPACE, "-o", "json"], names.as_slice()].concat())?;
    let list: Value = serde_json::from_str(&text)?;
    let items = at(&list, "/items").as_array().cloned().context("kubectl gave no list")?;
    expect_eq("objects", items.len(), names.len())?;
    Ok(items)
}

/// What its author wrote: all fields but metadata and status, and what is parked.
fn content(mut object: Value) -> BTreeMap<String, Value> {
    let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    let parked = annotations.and_then(|annotations| annotations.remove(PARKED)).unwrap_or_default();
    let fields = object.as_object().cloned().unwrap_or_default().into_iter();
    let fields = fields.filter(|(name, _)| name != "metadata" && name != "status");
    fields.chain([("parked".to_owned(), parked)]).collect()
}
