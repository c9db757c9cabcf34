//! Defaults and checks of the built-in kinds.

mod admission;
mod cluster;
mod crd;
mod defaults;
mod job;
mod meta;
pub mod names;
mod pod;
mod service;
mod workload;

use serde_json::Value;

use crate::{resource::Resource, status::Cause};

/// Fills in what kube-apiserver fills in when the object is decoded, be it new or not. Custom kinds are left as they are.
/// What only a creation sets (a Namespace's finalizer and phase) is the server's to set: as a default it would come back.
pub fn default_object(resource: &Resource, object: &mut Value) {
    defaults::object(resource, object);
}

/// Checks an object of a built-in or custom kind: its metadata, and for built-in kinds the rest.
/// `old` is the stored object on update. The object must have gone through [`default_object`].
#[must_use]
pub fn validate_object(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if resource.create_only() {
        return causes;
    }
    meta::check(resource, new, old, &mut causes);
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => pod::check(new, old, &mut causes),
        ("", "Service") => service::check(new, old, &mut causes),
        ("", "Secret" | "ConfigMap") => cluster::data(new, old, &mut causes),
        ("", "ReplicationController") => workload::replication_controller(new, &mut causes),
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet") => workload::check(new, old, &mut causes),
        ("apps", "StatefulSet") => workload::stateful_set(new, old, &mut causes),
        ("batch", "Job") => job::check(new, old, &mut causes),
        ("discovery.k8s.io", "EndpointSlice") => service::endpoint_slice(new, old, &mut causes),
        ("rbac.authorization.k8s.io", kind) => cluster::rbac(kind, new, old, &mut causes),
        ("admissionregistration.k8s.io", _) => admission::check(new, &mut causes),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => crd::check(new, old, &mut causes),
        ("apiregistration.k8s.io", "APIService") => cluster::api_service(new, &mut causes),
        ("coordination.k8s.io", "Lease") => cluster::lease(new, &mut causes),
        _ => {}
    }
    causes
}

/// The items of a list field; none when absent.
fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    value.get(field).and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// A text field; empty when absent.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A field that must not change once set.
fn immutable(new: &Value, old: Option<&Value>, pointer: &str, field: &str, causes: &mut Vec<Cause>) {
    let Some(old) = old else { return };
    if new.pointer(pointer) != old.pointer(pointer) {
        let shown = new.pointer(pointer).unwrap_or(&Value::Null);
        causes.push(Cause::invalid(field, shown, "field is immutable"));
    }
}

/// A port number.
fn port(value: Option<&Value>, field: &str, causes: &mut Vec<Cause>) {
    let shown = value.cloned().unwrap_or_else(|| 0.into());
    if !shown.as_i64().is_some_and(|port| (1..=65535).contains(&port)) {
        causes.push(Cause::invalid(field, &shown, "must be between 1 and 65535, inclusive"));
    }
}

/// One of some texts; an absent one is required.
fn one_of(value: &Value, name: &str, field: &str, known: &[&str], causes: &mut Vec<Cause>) {
    match value.get(name) {
        None => causes.push(Cause::required(field, "")),
        Some(shown) if !shown.as_str().is_some_and(|v| known.contains(&v)) => {
            causes.push(Cause::not_supported(field, shown, known));
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests;
