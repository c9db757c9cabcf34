//! Reading CustomResourceDefinitions.

use serde_json::Value;

use crate::resource::{Resource, Subresource};

/// One version of a custom kind.
#[derive(Debug, Clone)]
pub struct Version {
    /// Its names, with this version.
    pub resource: Resource,
    /// Offered to clients.
    pub served: bool,
    /// Objects are kept in this version.
    pub storage: bool,
    /// `Warning` header's text for requests to a deprecated version.
    pub deprecation_warning: Option<String>,
    /// The version's `openAPIV3Schema`.
    pub openapi: Option<Value>,
    /// The version's `additionalPrinterColumns`.
    pub printer_columns: Option<Value>,
    /// `subresources.scale`: the three paths.
    pub scale: Option<Value>,
}

/// The versions of a CRD, in the order in which it lists them. What is malformed is left out.
#[must_use]
pub fn versions(crd: &Value) -> Vec<Version> {
    let Some(list) = crd.pointer("/spec/versions").and_then(Value::as_array) else { return Vec::new() };
    list.iter().filter_map(|version| one(crd, version)).collect()
}

const VERBS: &[&str] = &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const PART: &[&str] = &["get", "patch", "update"];

fn one(crd: &Value, version: &Value) -> Option<Version> {
    let names = crd.pointer("/spec/names")?;
    let kind = names.get("kind")?.as_str()?;
    let group = crd.pointer("/spec/group")?.as_str()?;
    let name = version.get("name")?.as_str()?;
    let or = |field: &str, other: String| names.get(field).and_then(Value::as_str).map_or(other, str::to_owned);
    let mut subresources = Vec::new();
    let declared = version.get("subresources");
    if declared.and_then(|d| d.get("scale")).is_some_and(Value::is_object) {
        subresources.push(Subresource {
            name: "scale".to_owned(),
            group: "autoscaling".to_owned(),
            version: "v1".to_owned(),
            kind: "Scale".to_owned(),
            verbs: owned(PART),
        });
    }
    if declared.and_then(|d| d.get("status")).is_some_and(Value::is_object) {
        subresources.push(Subresource {
            name: "status".to_owned(),
            group: group.to_owned(),
            version: name.to_owned(),
            kind: kind.to_owned(),
            verbs: owned(PART),
        });
    }
    let flag = |field: &str| version.get(field).and_then(Value::as_bool).unwrap_or(false);
    Some(Version {
        resource: Resource {
            group: group.to_owned(),
            version: name.to_owned(),
            kind: kind.to_owned(),
            list_kind: or("listKind", format!("{kind}List")),
            plural: names.get("plural")?.as_str()?.to_owned(),
            singular: or("singular", kind.to_lowercase()),
            short_names: strings(names.get("shortNames")),
            categories: strings(names.get("categories")),
            namespaced: crd.pointer("/spec/scope").and_then(Value::as_str) == Some("Namespaced"),
            subresources,
            verbs: owned(VERBS),
        },
        served: flag("served"),
        storage: flag("storage"),
        deprecation_warning: deprecation(group, name, kind, version),
        openapi: version.pointer("/schema/openAPIV3Schema").cloned(),
        printer_columns: version.get("additionalPrinterColumns").cloned(),
        scale: declared.and_then(|d| d.get("scale")).cloned(),
    })
}

fn deprecation(group: &str, name: &str, kind: &str, version: &Value) -> Option<String> {
    if !version.get("deprecated").and_then(Value::as_bool).unwrap_or(false) {
        return None;
    }
    let own = version.get("deprecationWarning").and_then(Value::as_str).map(str::to_owned);
    Some(own.unwrap_or_else(|| format!("{group}/{name} {kind} is deprecated")))
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

fn strings(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
