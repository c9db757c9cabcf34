//! What the controller may do: no more than it does.

use isthmus_k8s::crd::CONVERTED;
use serde_json::{Value, json};

use super::{INJECTOR, InstallConfig, METRICS_API, TAP_API, VALIDATOR, labels, metadata};
use crate::{ca::PUBLISHED_ROOTS, config::NAME};

const READ: [&str; 3] = ["get", "list", "watch"];

const LOOK: [&str; 2] = ["get", "list"];

const SMI: [(&str, &[&str]); 3] = [
    ("access.smi-spec.io", &["identitybindings", "traffictargets"]),
    ("specs.smi-spec.io", &["httproutegroups", "tcproutes", "udproutes"]),
    ("split.smi-spec.io", &["trafficsplits"]),
];

pub(super) fn manifests(config: &InstallConfig) -> Vec<Value> {
    let account = json!({ "kind": "ServiceAccount", "name": NAME, "namespace": config.namespace });
    let cluster = json!({ "name": NAME, "labels": labels() });
    vec![
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(config, NAME) }),
        role("ClusterRole", cluster.clone(), everywhere()),
        binding("ClusterRole", NAME, cluster, &account),
        role("Role", metadata(config, NAME), at_home()),
        binding("Role", NAME, metadata(config, NAME), &account),
    ]
}

pub(super) fn role(kind: &str, metadata: Value, rules: Vec<Value>) -> Value {
    json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules })
}

/// Gives the role of the same name to the account.
pub(super) fn binding(kind: &str, name: &str, metadata: Value, account: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": format!("{kind}Binding"),
        "metadata": metadata,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name },
        "subjects": [account]
    })
}

pub(super) fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({ "apiGroups": [group], "resources": resources, "verbs": verbs })
}

pub(super) fn named(group: &str, resource: &str, names: &[&str], verbs: &[&str]) -> Value {
    json!({ "apiGroups": [group], "resources": [resource], "resourceNames": names, "verbs": verbs })
}

fn everywhere() -> Vec<Value> {
    let mut rules = vec![
        rule("", &["namespaces", "pods", "serviceaccounts", "services"], &READ),
        rule("discovery.k8s.io", &["endpointslices"], &READ),
        rule("", &["events"], &["create", "get", "patch"]),
        rule("authentication.k8s.io", &["tokenreviews"], &["create"]),
        named("admissionregistration.k8s.io", "mutatingwebhookconfigurations", &[INJECTOR], &["get", "update"]),
        named("admissionregistration.k8s.io", "validatingwebhookconfigurations", &[VALIDATOR], &["get", "update"]),
        named("apiregistration.k8s.io", "apiservices", &[METRICS_API, TAP_API], &["get", "update"]),
        // TrafficMetrics are of objects that there are: which, and with what labels.
        rule("", &["nodes", "replicationcontrollers"], &LOOK),
        rule("apps", &["daemonsets", "deployments", "replicasets", "statefulsets"], &LOOK),
        rule("batch", &["jobs"], &LOOK),
        named("apiextensions.k8s.io", "customresourcedefinitions", &CONVERTED, &["get", "patch"]),
    ];
    for (group, resources) in SMI {
        let status: Vec<String> = resources.iter().map(|resource| format!("{resource}/status")).collect();
        let status: Vec<&str> = status.iter().map(String::as_str).collect();
        rules.push(rule(group, resources, &READ));
        rules.push(rule(group, &status, &["patch"]));
    }
    rules.extend(federation());
    rules
}

/// The relations to other meshes, and the Services that stand here for theirs: those may be wanted in any namespace.
fn federation() -> Vec<Value> {
    const GROUP: &str = "federation.isthmus.mesh";
    const KINDS: [&str; 4] = ["exportedservices", "importedservices", "meshes", "meshpeers"];
    let status = KINDS.map(|kind| format!("{kind}/status"));
    let write = ["create", "update", "patch", "delete"];
    vec![
        rule(GROUP, &KINDS, &READ),
        rule(GROUP, &status.each_ref().map(String::as_str), &["patch"]),
        // A peer is introduced by an invitation, and its finalizer holds it until its revocation has come through.
        rule(GROUP, &["meshpeers"], &["create", "update", "patch"]),
        rule(GROUP, &["importedservices/finalizers"], &["update"]),
        rule("", &["services"], &write),
        rule("discovery.k8s.io", &["endpointslices"], &write),
    ]
}

/// A name can't be required of what is created, nor a prefix of any: that it is in this namespace is all that can be said.
fn at_home() -> Vec<Value> {
    vec![
        // The mesh's own, isthmus-ca and isthmus-trust; and isthmus-invitation-* for as long as an invitation is open.
        rule("", &["secrets"], &["get", "list", "watch", "create", "update", "patch", "delete"]),
        rule("", &["configmaps"], &["create"]),
        named("", "configmaps", &[PUBLISHED_ROOTS], &["get", "update"]),
        rule("coordination.k8s.io", &["leases"], &["create"]),
        named("coordination.k8s.io", "leases", &[NAME], &["get", "update"]),
    ]
}
