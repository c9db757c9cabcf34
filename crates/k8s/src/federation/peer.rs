//! The relation with one other mesh.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Freshness;
use crate::status::conditions;

/// Another mesh that this one is joined with, by that mesh's name. Without one, nothing is sent to it or taken from it.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "federation.isthmus.mesh",
    version = "v1alpha1",
    kind = "MeshPeer",
    plural = "meshpeers",
    singular = "meshpeer",
    status = "MeshPeerStatus",
    derive = "PartialEq",
    doc = "Another mesh that this one is joined with, by that mesh's name. Without one, nothing is sent to it or taken from it.",
    printcolumn = r#"{"name":"Trust domain","type":"string","jsonPath":".spec.trustDomain"}"#,
    printcolumn = r#"{"name":"Connected","type":"string","jsonPath":".status.conditions[?(@.type==\"Connected\")].status"}"#,
    printcolumn = r#"{"name":"Trusting","type":"string","jsonPath":".status.trustPropagated"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct MeshPeerSpec {
    /// Whose workloads are of that mesh.
    pub trust_domain: String,
    /// The first bundle to take, `sha256:<hex>`: from an invitation. Later ones are taken for being signed by one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_digest: Option<String>,
    /// The Secret with the invitation that this relation began with, in the control plane's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<String>,
    /// Do pods of both meshes reach each other's addresses? Where both sides say so, each tells its pods' addresses, and calls go
    /// straight to them; else by gateways alone, and no pod's address leaves its mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flat_network: Option<bool>,
    /// Where the mesh publishes its bundle, for one with which there is no hub in common.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_endpoint: Option<BundleEndpoint>,
}

/// A bundle endpoint (SPIFFE Federation §5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleEndpoint {
    /// `https://host[:port]/path`.
    pub url: String,
    /// The SPIFFE ID that the endpoint must show (profile `https_spiffe`). Absent: a certificate of the public authorities for its
    /// host (profile `https_web`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spiffe_id: Option<String>,
    /// The SPIFFE bundle document (JSON) to begin with: an endpoint of profile `https_spiffe` can't be verified without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_bundle: Option<String>,
}

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeshPeerStatus {
    /// The `metadata.generation` that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `Connected`, `TrustPropagated`; `GatewaysResolved`, where its gateways have names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// The peer's bundle that is trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleStatus>,
    /// When something new was last heard of the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::status::date_time")]
    pub last_contact: Option<Time>,
    /// How many of this mesh's proxies hold the peer's bundle: `412/412`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_propagated: Option<String>,
    /// The sequence of this mesh's own bundle that all proxies of the peer hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<u64>,
    /// How many seconds the clock of the peer's controller is ahead of this mesh's, to about ten, by what it signs; negative: behind.
    /// Absent: they agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_seconds: Option<i64>,
    /// Its catalogs, one for each cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catalogs: Vec<CatalogStatus>,
    /// How a revocation went: proxies that confirmed, connections that were cut, milliseconds to zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<String>,
}

/// A bundle.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleStatus {
    /// Grows with each change.
    pub sequence: u64,
    /// `sha256:<hex>` of its roots.
    pub digest: String,
    /// The SPIFFE bundle document (JSON).
    pub document: String,
}

/// What is known of the catalog of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogStatus {
    /// The cluster.
    pub cluster: String,
    /// Grows with each change.
    pub sequence: u64,
    /// `sha256:<hex>` of the catalog.
    pub digest: String,
    /// How old.
    pub state: Freshness,
    /// How many services it has.
    pub services: usize,
    /// Where its cluster's gateways are, `host:port`, as the catalog has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
    /// What those of them that are names have been found to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<ResolvedName>,
}

/// The name of a gateway, as this cluster's DNS knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedName {
    /// The name.
    pub name: String,
    /// Its addresses, by the newest lookup that went well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Why the newest lookup didn't go well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}
