//! A Service offered to other meshes.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Status;

/// Offers a Service to the meshes that it names. Without one, no other mesh reaches it.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "federation.isthmus.mesh",
    version = "v1alpha1",
    kind = "ExportedService",
    plural = "exportedservices",
    singular = "exportedservice",
    namespaced,
    status = "Status",
    derive = "PartialEq",
    doc = "Offers a Service to the meshes that it names. Without one, no other mesh reaches it.",
    printcolumn = r#"{"name":"To","type":"string","jsonPath":".spec.to"}"#,
    printcolumn = r#"{"name":"Programmed","type":"string","jsonPath":".status.conditions[?(@.type==\"Programmed\")].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ExportedServiceSpec {
    /// A Service of the same namespace; that of the same name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Ports of the Service; all TCP ports when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub ports: Option<Vec<u16>>,
    /// The meshes that it is for, by name.
    #[schemars(length(min = 1))]
    pub to: Vec<String>,
}
