//! split.smi-spec.io: TrafficSplit (smi.md §1.5).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::status::conditions;

/// Divides what clients send to a Service among backends, by weight.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "split.smi-spec.io",
    version = "v1alpha4",
    kind = "TrafficSplit",
    plural = "trafficsplits",
    singular = "trafficsplit",
    shortname = "ts",
    namespaced,
    status = "SplitStatus",
    derive = "PartialEq",
    doc = "Divides what clients send to a Service among backends, by weight.",
    printcolumn = r#"{"name":"Service","type":"string","jsonPath":".spec.service","description":"The apex service of this split."}"#,
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Programmed")].status"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct TrafficSplitSpec {
    /// The Service that clients call: `svc`, `svc.ns` or `svc.ns.svc.cluster.local`, in the split's own namespace.
    pub service: String,
    /// Who gets what share. Empty: the root Service's own endpoints.
    pub backends: Vec<SplitBackend>,
    /// Only requests that these route groups match are split; the others go to the root Service. Absent: all are split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<Vec<RouteGroupRef>>,
}

/// One share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SplitBackend {
    /// A Service in the split's namespace.
    pub service: String,
    /// Relative to the sum of all; 0 gets nothing. The schema wants a whole number from 0; what was stored under a
    /// laxer schema (negative, fractional) must still be readable, so that it can be reported.
    #[schemars(schema_with = "weight")]
    pub weight: serde_json::Number,
}

/// Names a route group in the split's namespace (a TypedLocalObjectReference).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteGroupRef {
    /// Empty, absent or `specs.smi-spec.io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
    /// `HTTPRouteGroup`.
    #[schemars(schema_with = "route_group")]
    pub kind: String,
    /// The group's name.
    pub name: String,
}

/// What became of a split.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SplitStatus {
    /// The `metadata.generation` that the conditions speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `ResolvedRefs`, `Programmed` and `WeightVerified`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// The newest generation that every proxy concerned had in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation_in_effect: Option<i64>,
    /// What each backend got since that generation is in effect, by the callers' proxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backends: Option<Vec<MeasuredBackend>>,
}

impl SplitStatus {
    /// The condition of this type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == kind)
    }
}

/// One backend's share of the traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredBackend {
    /// The Service.
    pub service: String,
    /// Its weight.
    pub weight: u32,
    /// What it got of all requests that the split has dealt, in percent, such as `24.9%`.
    pub share: String,
    /// How many those are.
    pub requests: u64,
}

fn weight(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
}

fn route_group(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["HTTPRouteGroup"] })
}
