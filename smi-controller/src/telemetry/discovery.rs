//! What there is, as Kubernetes' discovery asks.

use isthmus_core::broken::{self, Fault};
use serde_json::{Value, json};

use super::{
    body::api_version,
    kind::Kind,
    request::{GROUP, VERSION},
};

const KIND: &str = "TrafficMetrics";

/// The media type of aggregated discovery: clients tell by it that they were given what they asked for.
pub(crate) fn media(version: &str) -> String {
    format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList")
}

/// `/apis`.
pub(crate) fn groups() -> Value {
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [bare_group()] })
}

/// `/apis/metrics.smi-spec.io`.
pub(crate) fn group() -> Value {
    let mut group = bare_group();
    if let Some(map) = group.as_object_mut() {
        map.insert("kind".to_owned(), json!("APIGroup"));
        map.insert("apiVersion".to_owned(), json!("v1"));
    }
    group
}

fn bare_group() -> Value {
    let version = json!({ "groupVersion": api_version(), "version": VERSION });
    json!({ "name": GROUP, "versions": [version], "preferredVersion": version })
}

/// `/apis/metrics.smi-spec.io/v1alpha1`.
pub(crate) fn resources() -> Value {
    let lost = usize::from(broken::is(Fault::MetricsResourceMissing));
    let all = Kind::ALL.into_iter().skip(lost).flat_map(|kind| {
        let (plural, namespaced) = (kind.plural(), kind.is_namespaced());
        let edges = format!("{plural}/edges");
        [
            json!({ "name": plural, "singularName": kind.singular(), "namespaced": namespaced, "kind": KIND, "verbs": ["get", "list"] }),
            json!({ "name": edges, "singularName": "", "namespaced": namespaced, "kind": KIND, "verbs": ["get"] }),
        ]
    });
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version(), "resources": all.collect::<Vec<_>>(),
    })
}

/// All of it in one document, of that version of aggregated discovery. The specification has one kind for all resources, and the
/// list above says so; but kubectl finds its way from a resource to its kind and back, and would end at another resource. It
/// reads this document, which the specification doesn't know: here each resource has a kind of its own.
pub(crate) fn aggregated(version: &str) -> Value {
    let resource = |kind: Kind| {
        let response = json!({ "group": GROUP, "version": VERSION, "kind": format!("{}{KIND}", kind.as_str()) });
        json!({
            "resource": kind.plural(), "singularResource": kind.singular(), "responseKind": response,
            "scope": if kind.is_namespaced() { "Namespaced" } else { "Cluster" }, "verbs": ["get", "list"],
            "subresources": [{ "subresource": "edges", "responseKind": response, "verbs": ["get"] }],
        })
    };
    let resources: Vec<Value> = Kind::ALL.into_iter().map(resource).collect();
    let versions = json!([{ "version": VERSION, "freshness": "Current", "resources": resources }]);
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"), "metadata": {},
        "items": [{ "metadata": { "name": GROUP, "creationTimestamp": null }, "versions": versions }],
    })
}
