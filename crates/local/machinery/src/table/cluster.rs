//! The other built-in kinds.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Computed,
    cells::{age, condition, count, joined, list, name, number, or_none, since, text},
};
use crate::meta;

pub(super) const NODE: &[Computed] = &[
    ("Status", false, node_status),
    ("Roles", false, node_roles),
    ("Age", false, age),
    ("Version", false, |node, _| text(node, "/status/nodeInfo/kubeletVersion").into()),
    ("Internal-IP", true, |node, _| node_address(node, "InternalIP")),
    ("External-IP", true, |node, _| node_address(node, "ExternalIP")),
    ("OS-Image", true, |node, _| text(node, "/status/nodeInfo/osImage").into()),
    ("Kernel-Version", true, |node, _| text(node, "/status/nodeInfo/kernelVersion").into()),
    ("Container-Runtime", true, |node, _| text(node, "/status/nodeInfo/containerRuntimeVersion").into()),
];

pub(super) const NAMESPACE: &[Computed] =
    &[("Status", false, |namespace, _| text(namespace, "/status/phase").into()), ("Age", false, age)];

pub(super) const SERVICE_ACCOUNT: &[Computed] =
    &[("Secrets", false, |account, _| count(account, "/secrets").into()), ("Age", false, age)];

pub(super) const SECRET: &[Computed] = &[
    ("Type", false, |secret, _| text(secret, "/type").into()),
    ("Data", false, |secret, _| count(secret, "/data").into()),
    ("Age", false, age),
];

pub(super) const CONFIG_MAP: &[Computed] =
    &[("Data", false, |map, _| (count(map, "/data") + count(map, "/binaryData")).into()), ("Age", false, age)];

pub(super) const LEASE: &[Computed] =
    &[("Holder", false, |lease, _| text(lease, "/spec/holderIdentity").into()), ("Age", false, age)];

pub(super) const DEFINITION: &[Computed] =
    &[("Created At", false, |crd, _| meta::text(crd, "creationTimestamp").into())];

pub(super) const API_SERVICE: &[Computed] =
    &[("Service", false, api_service), ("Available", false, available), ("Age", false, age)];

pub(super) const WEBHOOKS: &[Computed] =
    &[("Webhooks", false, |config, _| count(config, "/webhooks").into()), ("Age", false, age)];

pub(super) const ROLE: &[Computed] = &[("Created At", false, |role, _| meta::text(role, "creationTimestamp").into())];

pub(super) const BINDING: &[Computed] = &[
    ("Role", false, |b, _| format!("{}/{}", text(b, "/roleRef/kind"), text(b, "/roleRef/name")).into()),
    ("Age", false, age),
    ("Users", true, |b, _| subjects(b, "User")),
    ("Groups", true, |b, _| subjects(b, "Group")),
    ("ServiceAccounts", true, |b, _| subjects(b, "ServiceAccount")),
];

/// Events begin with the time last seen; their name comes last.
pub(super) const EVENT: &[Computed] = &[
    ("Last Seen", false, last_seen),
    ("Type", false, |event, _| text(event, "/type").into()),
    ("Reason", false, |event, _| text(event, "/reason").into()),
    ("Object", false, event_object),
    ("Subobject", true, |event, _| text(event, "/involvedObject/fieldPath").into()),
    ("Source", true, event_source),
    ("Message", false, |event, _| first(event, &["/message", "/note"]).trim().into()),
    ("First Seen", true, |event, now| since(Some(first(event, &["/firstTimestamp", "/eventTime"])), now)),
    ("Count", true, |event, _| times(event).to_string().into()),
    ("Name", true, name),
];

fn node_status(node: &Value, _: Timestamp) -> Value {
    let ready = match condition(node, "Ready").map(|c| text(c, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let unschedulable = node.pointer("/spec/unschedulable").and_then(Value::as_bool) == Some(true);
    if unschedulable { format!("{ready},SchedulingDisabled").into() } else { ready.into() }
}

fn node_roles(node: &Value, _: Timestamp) -> Value {
    joined(meta::labels(node).filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/")))
}

fn node_address(node: &Value, kind: &str) -> Value {
    let found = list(node, "/status/addresses").iter().find(|a| text(a, "/type") == kind);
    or_none(found.map(|a| text(a, "/address")).unwrap_or_default())
}

fn api_service(service: &Value, _: Timestamp) -> Value {
    match (text(service, "/spec/service/namespace"), text(service, "/spec/service/name")) {
        (_, "") => "Local".into(),
        (namespace, name) => format!("{namespace}/{name}").into(),
    }
}

fn available(service: &Value, _: Timestamp) -> Value {
    match condition(service, "Available") {
        Some(c) if text(c, "/status") == "True" => "True".into(),
        Some(c) => format!("{} ({})", text(c, "/status"), text(c, "/reason")).into(),
        None => "Unknown".into(),
    }
}

fn subjects(binding: &Value, kind: &str) -> Value {
    let of_kind = list(binding, "/subjects").iter().filter(|s| text(s, "/kind") == kind);
    let names: Vec<String> = of_kind
        .map(|s| match text(s, "/namespace") {
            "" => text(s, "/name").to_owned(),
            namespace => format!("{namespace}/{}", text(s, "/name")),
        })
        .collect();
    names.join(", ").into()
}

/// The first text that isn't empty: v1 and events.k8s.io/v1 name the same things differently.
fn first<'v>(object: &'v Value, pointers: &[&str]) -> &'v str {
    pointers.iter().map(|p| text(object, p)).find(|t| !t.is_empty()).unwrap_or_default()
}

fn times(event: &Value) -> i64 {
    number(event, "/series/count").max(number(event, "/count")).max(1)
}

fn last_seen(event: &Value, now: Timestamp) -> Value {
    let last = first(event, &["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"]);
    since(Some(last), now)
}

fn event_object(event: &Value, _: Timestamp) -> Value {
    let kind = first(event, &["/involvedObject/kind", "/regarding/kind"]).to_lowercase();
    let name = first(event, &["/involvedObject/name", "/regarding/name"]);
    if name.is_empty() { kind.into() } else { format!("{kind}/{name}").into() }
}

fn event_source(event: &Value, _: Timestamp) -> Value {
    let component = first(event, &["/source/component", "/reportingComponent", "/reportingController"]);
    let host = first(event, &["/source/host", "/reportingInstance"]);
    if host.is_empty() { component.into() } else { format!("{component}, {host}").into() }
}
