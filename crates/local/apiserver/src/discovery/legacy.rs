//! Discovery in pieces: `APIVersions`, `APIGroupList`, `APIResourceList`.

use serde_json::{Value, json};

use crate::registry::Catalog;

pub(super) fn versions() -> Value {
    json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })
}

pub(super) fn groups(catalog: &Catalog) -> Value {
    let groups: Vec<_> = catalog.groups().iter().map(|(name, versions)| shown(name, versions)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

pub(super) fn group(catalog: &Catalog, name: &str) -> Option<Value> {
    let (name, versions) = catalog.groups().into_iter().find(|(group, _)| group == name)?;
    let mut group = shown(&name, &versions);
    let map = group.as_object_mut()?;
    map.insert("kind".to_owned(), json!("APIGroup"));
    map.insert("apiVersion".to_owned(), json!("v1"));
    Some(group)
}

fn shown(name: &str, versions: &[String]) -> Value {
    let one = |version: &String| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    let all: Vec<_> = versions.iter().map(one).collect();
    json!({ "name": name, "versions": all, "preferredVersion": all.first() })
}

/// `/api/v1` and `/apis/<group>/<version>`.
pub(super) fn resources(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    let mut entries = Vec::new();
    for kind in catalog.of(group, version) {
        let resource = &kind.resource;
        let mut entry = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": resource.verbs,
        });
        if let Some(map) = entry.as_object_mut() {
            if !resource.short_names.is_empty() {
                map.insert("shortNames".to_owned(), json!(resource.short_names));
            }
            if !resource.categories.is_empty() {
                map.insert("categories".to_owned(), json!(resource.categories));
            }
        }
        entries.push(entry);
        for sub in &resource.subresources {
            let mut entry = json!({
                "name": format!("{}/{}", resource.plural, sub.name), "singularName": "",
                "namespaced": resource.namespaced, "kind": sub.kind, "verbs": sub.verbs,
            });
            let own = sub.group == resource.group && sub.version == resource.version;
            if let (false, Some(map)) = (own, entry.as_object_mut()) {
                map.insert("group".to_owned(), json!(sub.group));
                map.insert("version".to_owned(), json!(sub.version));
            }
            entries.push(entry);
        }
    }
    if entries.is_empty() {
        return None;
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries }))
}
