//! Aggregated discovery, version 2: everything in one document.

use isthmus_local_machinery::resource::{Resource, Subresource};
use serde_json::{Value, json};

use crate::core::Core;
use crate::registry::{Catalog, Remote};

/// `/api`.
pub(super) fn core(catalog: &Catalog, version: &str) -> Value {
    list(version, vec![json!({ "metadata": { "creationTimestamp": null }, "versions": [local(catalog, "", "v1")] })])
}

/// `/apis`: our groups and, asked for at this moment, those of aggregated API servers.
pub(super) async fn groups(core: &Core, catalog: &Catalog, version: &str) -> Value {
    let mut groups = Vec::new();
    for (group, versions) in catalog.groups() {
        let mut shown = Vec::new();
        for version in &versions {
            match catalog.remote(&group, version) {
                None => shown.push(local(catalog, &group, version)),
                Some(remote) => {
                    let resources = resources(core, remote, &group, version).await;
                    let freshness = if resources.is_some() { "Current" } else { "Stale" };
                    let resources = resources.unwrap_or_default();
                    shown.push(json!({ "version": version, "resources": resources, "freshness": freshness }));
                }
            }
        }
        groups.push(json!({ "metadata": { "name": group, "creationTimestamp": null }, "versions": shown }));
    }
    list(version, groups)
}

/// A backend's own word in this form, or made from its list.
async fn resources(core: &Core, remote: &Remote, group: &str, version: &str) -> Option<Vec<Value>> {
    if let Some(resources) = crate::remote::fetch_aggregated(core, remote).await {
        return Some(resources);
    }
    let list = crate::remote::fetch_resources(core, remote).await?;
    Some(from_legacy(group, version, &list))
}

fn list(version: &str, items: Vec<Value>) -> Value {
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {}, "items": items,
    })
}

fn local(catalog: &Catalog, group: &str, version: &str) -> Value {
    let resources: Vec<_> = catalog.of(group, version).map(|kind| resource(&kind.resource)).collect();
    json!({ "version": version, "resources": resources, "freshness": "Current" })
}

fn resource(resource: &Resource) -> Value {
    let scope = if resource.namespaced { "Namespaced" } else { "Cluster" };
    let mut shown = json!({
        "resource": resource.plural,
        "responseKind": { "group": resource.group, "version": resource.version, "kind": resource.kind },
        "scope": scope, "singularResource": resource.singular, "verbs": resource.verbs,
    });
    let Some(map) = shown.as_object_mut() else { return shown };
    if !resource.short_names.is_empty() {
        map.insert("shortNames".to_owned(), json!(resource.short_names));
    }
    if !resource.categories.is_empty() {
        map.insert("categories".to_owned(), json!(resource.categories));
    }
    if !resource.subresources.is_empty() {
        let all: Vec<_> = resource.subresources.iter().map(subresource).collect();
        map.insert("subresources".to_owned(), Value::Array(all));
    }
    shown
}

fn subresource(sub: &Subresource) -> Value {
    json!({
        "subresource": sub.name, "verbs": sub.verbs,
        "responseKind": { "group": sub.group, "version": sub.version, "kind": sub.kind },
    })
}

/// An `APIResourceList` in the aggregated form.
fn from_legacy(group: &str, version: &str, list: &Value) -> Vec<Value> {
    let entries = list.get("resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |entry: &Value, field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
    let kind = |entry: &Value| {
        let (group, version) = (or(text(entry, "group"), group), or(text(entry, "version"), version));
        json!({ "group": group, "version": version, "kind": text(entry, "kind") })
    };
    let mut shown = Vec::new();
    for entry in entries.iter().filter(|entry| !text(entry, "name").contains('/')) {
        let name = text(entry, "name");
        let namespaced = entry.get("namespaced").and_then(Value::as_bool).unwrap_or(false);
        let prefix = format!("{name}/");
        let subs = entries.iter().filter_map(|sub| {
            let full = text(sub, "name");
            let subresource = full.strip_prefix(&prefix)?;
            Some(json!({ "subresource": subresource, "verbs": sub.get("verbs"), "responseKind": kind(sub) }))
        });
        let subs: Vec<_> = subs.collect();
        let singular = or(text(entry, "singularName"), &text(entry, "kind").to_lowercase());
        let mut one = json!({
            "resource": name, "responseKind": kind(entry), "singularResource": singular, "verbs": entry.get("verbs"),
            "scope": if namespaced { "Namespaced" } else { "Cluster" }, "subresources": subs,
        });
        for field in ["shortNames", "categories"] {
            if let (Some(value), Some(map)) = (entry.get(field), one.as_object_mut()) {
                map.insert(field.to_owned(), value.clone());
            }
        }
        shown.push(one);
    }
    shown
}
