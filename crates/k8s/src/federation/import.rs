//! A service of another mesh under a local name.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::status::conditions;

/// Makes a service of another mesh callable under the name of a local Service.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "federation.isthmus.mesh",
    version = "v1alpha1",
    kind = "ImportedService",
    plural = "importedservices",
    singular = "importedservice",
    namespaced,
    status = "ImportStatus",
    derive = "PartialEq",
    doc = "Makes a service of another mesh callable under the name of a local Service.",
    printcolumn = r#"{"name":"Mesh","type":"string","jsonPath":".spec.from.mesh"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Endpoints","type":"integer","jsonPath":".status.endpoints"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ImportedServiceSpec {
    /// What is imported.
    pub from: From,
    /// The name of the local Service that is made for it; the object's own when absent.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// How long it may be used without word from the other mesh: `90s`, `5m`, `1h`. One hour when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_stale: Option<String>,
    /// Local Services whose callers are sent here while these Services' own endpoints can't serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failover_for: Vec<FailoverFor>,
}

/// A service of another mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct From {
    /// The mesh, by name.
    pub mesh: String,
    /// Its namespace there; the importing one's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name there; the object's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// A local Service that an import stands in for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailoverFor {
    /// A Service of the same namespace.
    pub service: String,
    /// Of several imports the one with the lowest number comes first; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 255))]
    pub priority: Option<u8>,
}

/// How old what is known of a catalog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Freshness {
    /// Younger than its lease.
    Fresh,
    /// Older than its lease: used when there is nothing better.
    Stale,
    /// Older than the import allows, or never seen: not used.
    #[default]
    Expired,
}

/// Written out, so that the schema is one list of values.
impl JsonSchema for Freshness {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Freshness".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ["Fresh", "Stale", "Expired"] })
    }
}

/// What is known of an import.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportStatus {
    /// The `metadata.generation` that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `ResolvedRefs`, `Programmed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// How old the youngest of its catalogs is.
    #[serde(default)]
    pub state: Freshness,
    /// When it was last heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::status::date_time")]
    pub last_contact: Option<Time>,
    /// Remote endpoints that may be called.
    #[serde(default)]
    pub endpoints: usize,
    /// What each cluster of the mesh says of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catalog: Vec<ClusterCatalog>,
    /// Where the clusters of the mesh differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<ClusterConflict>,
}

/// Two clusters of the other mesh export the service differently. Of the two the older export counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterConflict {
    /// The port, as the loser numbers it.
    pub port: u16,
    /// What differs: `name`, `appProtocol` or `port`.
    pub field: String,
    /// The cluster whose export counts.
    pub winner: String,
    /// The cluster whose doesn't.
    pub loser: String,
}

/// What one cluster of the other mesh says of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterCatalog {
    /// The cluster.
    pub cluster: String,
    /// How old.
    pub state: Freshness,
    /// Where its gateways are, `ip:port`; names have become addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
    /// The Service's ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<CatalogPort>,
    /// Its pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<CatalogEndpoint>,
}

/// A port of a remote Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogPort {
    /// Its name; empty for a single, unnamed one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its number.
    pub port: u16,
    /// What is spoken there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
}

/// A remote pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogEndpoint {
    /// Its name to gateways.
    pub token: String,
    /// The SPIFFE ID that it will show.
    pub identity: String,
    /// The Service's ports that it serves.
    pub ports: Vec<u16>,
    /// Its own addresses, where its mesh calls the network flat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<CatalogAddress>,
}

/// Where a remote pod is reached without a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogAddress {
    /// The Service's port.
    pub port: u16,
    /// `ip:port`.
    pub address: String,
}
