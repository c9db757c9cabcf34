//! Every SMI version, by the real kubectl: what is written in one is read, patched and written back in every other, and
//! is what it was.

use std::time::Duration;

use isthmus_tests::kubectl::Kubectl;
use serde_json::{Value, json};

mod clients;
mod doors;
mod examples;
mod patches;

/// For what the controller's own writes may get in the way of.
const DEADLINE: Duration = Duration::from_secs(60);
/// The examples name it.
const NAMESPACE: &str = "default";
const VERSIONS: [&str; 4] = ["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"];

/// This folder's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![
        ("versions_every_example_in_every_version", examples::run as super::Body),
        ("versions_every_patch_in_every_version", patches::run),
        ("versions_clients_of_older_ones_lose_nothing", clients::run),
        ("versions_each_refuses_and_warns_in_its_own_words", doors::run),
    ]
}

fn at<'a>(object: &'a Value, pointer: &str) -> &'a Value {
    object.pointer(pointer).unwrap_or(&Value::Null)
}

/// The weights of a split, as its version writes them.
fn weights(split: &Value) -> Vec<Value> {
    let backends = at(split, "/spec/backends").as_array().cloned().unwrap_or_default();
    backends.iter().map(|backend| at(backend, "/weight").clone()).collect()
}

/// An object in a version.
fn get(kubectl: &Kubectl, kind: &str, version: &str, name: &str) -> anyhow::Result<Value> {
    kubectl.get(NAMESPACE, &resource(kind, version), name)
}

/// A kind as kubectl wants it said with its version.
fn resource(kind: &str, version: &str) -> String {
    let group = match kind {
        "trafficsplit" => "split",
        "traffictarget" => "access",
        _ => "specs",
    };
    format!("{kind}.{version}.{group}.smi-spec.io")
}

/// In the versions that have no `spec`, its fields are at the top.
fn wrapped(kind: &str, version: &str, spec: Value) -> Value {
    let flat = match kind {
        "traffictarget" => version == "v1alpha1",
        "httproutegroup" => version <= "v1alpha2",
        _ => false,
    };
    if flat { spec } else { json!({ "spec": spec }) }
}
