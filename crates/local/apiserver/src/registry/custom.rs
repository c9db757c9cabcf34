//! Kinds of CustomResourceDefinitions.

use std::sync::Arc;

use isthmus_local_machinery::crd;
use isthmus_local_machinery::schema::Schema;
use isthmus_local_machinery::table::Columns;
use isthmus_local_store::Entry;
use serde_json::Value;

use super::{Catalog, Kind, condition};

/// How objects get from one version to another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Conversion {
    /// Only `apiVersion` changes.
    None,
    /// By a webhook that this CRD names.
    Webhook(Arc<Value>),
}

/// What only kinds of CRDs have.
pub(crate) struct Custom {
    /// The CRD's name, and its revision when this was read.
    pub(crate) crd: String,
    pub(crate) revision: u64,
    pub(crate) storage_version: String,
    pub(crate) conversion: Conversion,
    /// The CRD is being deleted: no new objects.
    pub(crate) terminating: bool,
    pub(crate) openapi: Option<Value>,
    /// Whether the schema has defaults, which then hold for objects stored before it had them.
    pub(crate) has_defaults: bool,
    pub(crate) scale: Option<Value>,
    pub(crate) deprecation_warning: Option<String>,
}

/// The served kinds of a CRD that is established; those of the old catalog if the CRD is the same.
pub(super) fn kinds(entry: &Entry, old: &Catalog) -> Vec<Arc<Kind>> {
    let name: &str = &entry.key.name;
    let same = |kind: &&Arc<Kind>| {
        kind.custom.as_ref().is_some_and(|custom| custom.crd == name && custom.revision == entry.revision)
    };
    let kept: Vec<_> = old.kinds.iter().filter(same).cloned().collect();
    if !kept.is_empty() {
        return kept;
    }
    let object = &entry.object;
    if !condition(object, "Established") {
        return Vec::new();
    }
    let versions = crd::versions(object);
    let Some(storage) = versions.iter().find(|version| version.storage) else { return Vec::new() };
    let storage_version = storage.resource.version.clone();
    let strategy = object.pointer("/spec/conversion/strategy").and_then(Value::as_str);
    let conversion = if strategy == Some("Webhook") { Conversion::Webhook(object.clone()) } else { Conversion::None };
    let terminating = object.pointer("/metadata/deletionTimestamp").is_some();
    let preserve = object.pointer("/spec/preserveUnknownFields").and_then(Value::as_bool).unwrap_or(false);
    let make = |version: crd::Version| {
        let schema = match version.openapi.as_ref().filter(|_| !preserve) {
            Some(openapi) => Schema::parse(openapi).unwrap_or_else(|_| Schema::any()),
            None => Schema::any(),
        };
        Arc::new(Kind {
            storage: format!("{}/{}", version.resource.group, version.resource.plural),
            columns: Columns::custom(version.printer_columns.as_ref()),
            schema: Arc::new(schema),
            custom: Some(Custom {
                crd: name.to_owned(),
                revision: entry.revision,
                storage_version: storage_version.clone(),
                conversion: conversion.clone(),
                terminating,
                has_defaults: version.openapi.as_ref().is_some_and(has_default),
                openapi: version.openapi,
                scale: version.scale,
                deprecation_warning: version.deprecation_warning,
            }),
            resource: version.resource,
        })
    };
    versions.into_iter().filter(|version| version.served).map(make).collect()
}

fn has_default(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.contains_key("default") || map.values().any(has_default),
        Value::Array(items) => items.iter().any(has_default),
        _ => false,
    }
}

/// Sorts versions by Kubernetes' preference: `v2`, `v1`, `v1beta2`, `v1beta1`, `v1alpha1`, then the rest by name.
pub(crate) fn version_rank(version: &str) -> (u8, std::cmp::Reverse<u64>, std::cmp::Reverse<u64>, String) {
    use std::cmp::Reverse;
    let parsed = || {
        let rest = version.strip_prefix('v')?;
        let digits = rest.len().saturating_sub(rest.trim_start_matches(|c: char| c.is_ascii_digit()).len());
        let (major, tail) = rest.split_at_checked(digits)?;
        let major: u64 = major.parse().ok()?;
        if tail.is_empty() {
            return Some((0, Reverse(major), Reverse(0)));
        }
        let (stage, minor) = match (tail.strip_prefix("beta"), tail.strip_prefix("alpha")) {
            (Some(minor), _) => (1, minor),
            (_, Some(minor)) => (2, minor),
            _ => return None,
        };
        Some((stage, Reverse(major), Reverse(minor.parse().ok()?)))
    };
    match parsed() {
        Some((stage, major, minor)) => (stage, major, minor, String::new()),
        None => (3, Reverse(0), Reverse(0), version.to_owned()),
    }
}

#[cfg(test)]
mod tests;
