//! access.smi-spec.io: TrafficTarget and IdentityBinding (smi.md §1.1, §1.2).

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::status::Status;

/// Lets sources call a destination under rules. Without one, nothing may.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "access.smi-spec.io",
    version = "v1alpha4",
    kind = "TrafficTarget",
    plural = "traffictargets",
    singular = "traffictarget",
    shortname = "tt",
    namespaced,
    status = "Status",
    derive = "PartialEq",
    doc = "Lets sources call a destination under rules. Without one, nothing may.",
    printcolumn = r#"{"name":"Destination","type":"string","jsonPath":".spec.destination.name","description":"Whom it opens."}"#,
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Programmed")].status"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct TrafficTargetSpec {
    /// The workloads that are opened: in the target's own namespace.
    pub destination: Subject,
    /// What may be done. Empty: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Who may do it. Empty: nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Subject>,
}

/// API group of the kinds here.
pub const GROUP: &str = "access.smi-spec.io";

/// Workloads, by what they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// `ServiceAccount`, `IdentityBinding`, or of a source `SPIFFEIdentity`.
    #[schemars(schema_with = "subject_kind")]
    pub kind: String,
    /// The kind's API group, as the specification's examples write it. It can be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its name; of a `SPIFFEIdentity` the ID, or a prefix of IDs that ends in `/*`.
    pub name: String,
    /// Its namespace; the target's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Of the versions before v1alpha3, and ignored since: ports are named by a TCPRoute or UDPRoute. It is kept
    /// readable so that its author can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
}

/// One reference to what may be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// `HTTPRouteGroup`, `TCPRoute` or `UDPRoute`.
    #[schemars(schema_with = "rule_kind")]
    pub kind: String,
    /// Its name, in the target's namespace.
    pub name: String,
    /// Entries of the route group; all of them when absent or empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<Vec<String>>,
}

fn subject_kind(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["ServiceAccount", "IdentityBinding", "SPIFFEIdentity"] })
}

fn rule_kind(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["HTTPRouteGroup", "TCPRoute", "UDPRoute"] })
}

/// Names workloads of its own namespace by other means than their ServiceAccount alone.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "access.smi-spec.io",
    version = "v1alpha4",
    kind = "IdentityBinding",
    plural = "identitybindings",
    singular = "identitybinding",
    shortname = "ib",
    namespaced,
    status = "Status",
    derive = "PartialEq",
    doc = "Names workloads of its own namespace by other means than their ServiceAccount alone.",
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Programmed")].status"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct IdentityBindingSpec {
    /// Any of these will do.
    #[schemars(extend("minProperties" = 1))]
    pub schemes: Schemes,
}

/// Ways to name workloads, ORed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schemes {
    /// Pods of the binding's namespace, by label. Not together with `serviceAccount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_label_selector: Option<PodLabelSelector>,
    /// SPIFFE IDs, with or without `spiffe://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub spiffe_identities: Option<Vec<String>>,
    /// A ServiceAccount of the binding's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
}

/// Labels that a pod must all have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodLabelSelector {
    /// Label to value. At least one.
    #[schemars(extend("minProperties" = 1))]
    pub match_labels: BTreeMap<String, String>,
}
