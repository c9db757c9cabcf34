//! A mesh: this one, and in the hub's cluster every member.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BundleStatus, CatalogStatus};
use crate::status::conditions;

/// A mesh by its name: this cluster's own, and in the hub's cluster each member.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "federation.isthmus.mesh",
    version = "v1alpha1",
    kind = "Mesh",
    plural = "meshes",
    singular = "mesh",
    status = "MeshStatus",
    derive = "PartialEq",
    doc = "A mesh by its name: this cluster's own, and in the hub's cluster each member.",
    printcolumn = r#"{"name":"Trust domain","type":"string","jsonPath":".spec.trustDomain"}"#,
    printcolumn = r#"{"name":"Hub","type":"string","jsonPath":".spec.hub.address"}"#,
    printcolumn = r#"{"name":"Connected","type":"boolean","jsonPath":".status.hub.connected"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct MeshSpec {
    /// Whose workloads are of this mesh.
    pub trust_domain: String,
    /// Which of the mesh's clusters this is; the mesh's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// All clusters of this mesh, where it has several: the same in each of them. The first one rotates the root, and the others
    /// follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub clusters: Option<Vec<String>>,
    /// Where the hub is. Absent: this mesh is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubRef>,
    /// Where other meshes reach this one's gateways, each `host:port`, the host an IP address or a full DNS name, which they look up;
    /// those of the Service `isthmus-gateway` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateways: Option<Vec<String>>,
    /// Do workloads call other meshes through this mesh's own gateways? Needed where pods may not leave their network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<bool>,
}

/// A hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HubRef {
    /// `host:port`.
    pub address: String,
    /// The SPIFFE ID that it must show.
    pub identity: String,
}

/// What is known of a mesh.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeshStatus {
    /// The `metadata.generation` that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `Connected`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// The newest catalogs of the mesh's other clusters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catalogs: Vec<CatalogStatus>,
    /// When something new was last heard of the mesh's other clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::status::date_time")]
    pub last_contact: Option<Time>,
    /// Of this cluster's own mesh: its bundle as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleStatus>,
    /// Of this cluster's own mesh: its connection to the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubStatus>,
    /// In the hub's cluster: the bundles that the member has published, each signed by one before it, base64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
    /// In the hub's cluster: the member's clusters that are connected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// In the hub's cluster: the member's invitations that the hub knows. There is no secret in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invitations: Vec<KnownInvitation>,
}

/// An invitation as the hub knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KnownInvitation {
    /// Its name.
    pub id: String,
    /// SHA-256 of what a joiner shows, base64.
    pub secret_hash: String,
    /// Unix seconds.
    pub expires: i64,
    /// The mesh that has used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
    /// How that mesh has introduced itself, until its inviter has heard it; base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced: Option<String>,
}

/// A member's connection to the hub.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HubStatus {
    /// Is there a session?
    pub connected: bool,
    /// When the hub was last heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::status::date_time")]
    pub last_contact: Option<Time>,
    /// The bundle of the hub's mesh: later ones are taken for being signed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleStatus>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
