//! The per-group-version OpenAPI v3 documents that kubectl reads: for validation on the server's side (`fieldValidation`),
//! for the merge keys of client-side apply, and for `kubectl explain`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{builtin, resource::Resource};

pub mod v2;

const TITLE: &str = "Isthmus local cluster";
const REFERENCE: &str = "#/components/schemas/";
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const GVK: &str = "x-kubernetes-group-version-kind";

/// A kind of the document.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its names.
    pub resource: &'a Resource,
    /// A custom kind's `openAPIV3Schema`; `None` takes the built-in kind's schema.
    pub schema: Option<&'a Value>,
}

/// The document of one group and version, served at `/openapi/v3/apis/<group>/<version>` (`/openapi/v3/api/v1` for the core group).
#[must_use]
pub fn document(group: &str, version: &str, entries: &[Entry<'_>]) -> Value {
    let prefix = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for entry in entries {
        let name = schema_of(entry, &mut schemas);
        add_paths(&prefix, entry.resource, &name, &mut paths);
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": TITLE, "version": "v1"},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

fn gvk(resource: &Resource) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

fn add_paths(prefix: &str, resource: &Resource, schema: &str, paths: &mut Map<String, Value>) {
    let space = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("{prefix}{space}/{}", resource.plural);
    let one = format!("{collection}/{{name}}");
    let mut at_collection = Map::new();
    if resource.allows("list") {
        at_collection.insert("get".to_owned(), operation(resource, "list", schema, &[]));
    }
    if resource.allows("create") {
        at_collection.insert(
            "post".to_owned(),
            operation(resource, "post", schema, &["dryRun", "fieldManager", "fieldValidation"]),
        );
    }
    paths.insert(collection, Value::Object(at_collection));
    let mut at_one = Map::new();
    for (verb, method, parameters) in [
        ("get", "get", &[] as &[&str]),
        ("update", "put", &["dryRun", "fieldManager", "fieldValidation"]),
        ("patch", "patch", &["dryRun", "fieldManager", "fieldValidation", "force"]),
        ("delete", "delete", &["dryRun"]),
    ] {
        if resource.allows(verb) {
            at_one.insert(method.to_owned(), operation(resource, method, schema, parameters));
        }
    }
    if !at_one.is_empty() {
        paths.insert(one, Value::Object(at_one));
    }
}

fn operation(resource: &Resource, action: &str, schema: &str, parameters: &[&str]) -> Value {
    let parameters: Vec<Value> = parameters
        .iter()
        .map(|name| {
            let kind = if *name == "force" { "boolean" } else { "string" };
            json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
        })
        .collect();
    let answer = json!({"$ref": format!("{REFERENCE}{schema}")});
    json!({
        "description": format!("{action} {}", resource.kind),
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": answer}}}},
        "x-kubernetes-action": action,
        GVK: gvk(resource),
    })
}

/// Puts the kind's schema and what it refers to among `schemas`, and gives its name.
fn schema_of(entry: &Entry<'_>, schemas: &mut Map<String, Value>) -> String {
    let resource = entry.resource;
    let (name, mut schema) = match entry.schema {
        Some(custom) => (custom_name(resource), custom_schema(custom)),
        None => match builtin::schema_name(resource) {
            Some(name) => (name.to_owned(), builtin::definitions().get(name).cloned().unwrap_or_default()),
            None => (custom_name(resource), json!({"type": "object"})),
        },
    };
    if let Some(map) = schema.as_object_mut() {
        map.insert(GVK.to_owned(), json!([gvk(resource)]));
    }
    add_references(&schema, schemas);
    schemas.insert(name.clone(), schema);
    name
}

/// `io.smi-spec.split.v1alpha4.TrafficSplit`.
fn custom_name(resource: &Resource) -> String {
    let group: Vec<&str> = resource.group.rsplit('.').collect();
    format!("{}.{}.{}", group.join("."), resource.version, resource.kind)
}

fn custom_schema(custom: &Value) -> Value {
    let mut schema = custom.clone();
    let Some(map) = schema.as_object_mut() else { return json!({"type": "object"}) };
    let properties = map.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        let definitions = builtin::definitions();
        let config_map = definitions.get("io.k8s.api.core.v1.ConfigMap");
        for field in ["apiVersion", "kind", "metadata"] {
            if let Some(property) = config_map.and_then(|c| c.pointer(&format!("/properties/{field}"))) {
                properties.insert(field.to_owned(), property.clone());
            }
        }
    }
    schema
}

fn add_references(schema: &Value, schemas: &mut Map<String, Value>) {
    let mut wanted = BTreeSet::from([OBJECT_META.to_owned()]);
    references(schema, &mut wanted);
    while let Some(name) = wanted.pop_first() {
        if schemas.contains_key(&name) {
            continue;
        }
        if let Some(definition) = builtin::definitions().get(&name) {
            references(definition, &mut wanted);
            schemas.insert(name, definition.clone());
        }
    }
}

fn references(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix(REFERENCE)) {
                found.insert(name.to_owned());
            }
            map.values().for_each(|inner| references(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
