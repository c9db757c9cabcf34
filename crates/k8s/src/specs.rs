//! specs.smi-spec.io: HTTPRouteGroup, TCPRoute and UDPRoute (smi.md §1.3, §1.4).

use isthmus_core::broken::{self, Fault};
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::status::Status;

/// Set to `full` on an HTTPRouteGroup, expressions must match a whole path or header value, as manifests written for
/// OSM expect; otherwise paths are anchored at their beginning only, and header values not at all (smi.md §5 A1, A2).
pub const REGEX_MATCH_ANNOTATION: &str = "isthmus.mesh/regex-match";

/// Named conditions on HTTP requests, for targets and splits to refer to.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "specs.smi-spec.io",
    version = "v1alpha4",
    kind = "HTTPRouteGroup",
    plural = "httproutegroups",
    singular = "httproutegroup",
    shortname = "htr",
    namespaced,
    status = "Status",
    derive = "PartialEq",
    doc = "Named conditions on HTTP requests, for targets and splits to refer to.",
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Programmed")].status"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct HTTPRouteGroupSpec {
    /// The conditions. A request that satisfies one of those referred to is matched.
    #[serde(default)]
    pub matches: Vec<Match>,
}

/// One condition: its parts are ANDed, and an absent part matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// What rules call it by. Unique in its group.
    #[serde(default)]
    pub name: String,
    /// Regular expression for the path, anchored at its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_regex: Option<String>,
    /// HTTP methods; `*` or none is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "methods")]
    pub methods: Option<Vec<String>>,
    /// Header names with a regular expression for the value each: as a map, or as a list of maps. All must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "untyped")]
    pub headers: Option<Value>,
}

/// The field `headers` has neither of its two forms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("headers must be a map of names to expressions, or a list of such maps, not {0}")]
pub struct InvalidHeaders(String);

impl Match {
    /// Names and expressions, in either wire form (smi.md §5 A3). An element of the list may hold several: they are
    /// ANDed as all others are.
    pub fn header_conditions(&self) -> Result<Vec<(String, String)>, InvalidHeaders> {
        let Some(value) = &self.headers else { return Ok(Vec::new()) };
        let maps = match value {
            Value::Null => return Ok(Vec::new()),
            Value::Array(_) if broken::is(Fault::HeaderListIgnored) => return Ok(Vec::new()),
            Value::Array(list) => list.as_slice(),
            map => std::slice::from_ref(map),
        };
        let mut conditions = Vec::new();
        for map in maps {
            let Value::Object(map) = map else { return Err(InvalidHeaders(brief(map))) };
            for (name, value) in map {
                let Value::String(text) = value else { return Err(InvalidHeaders(brief(value))) };
                conditions.push((name.clone(), text.clone()));
            }
        }
        conditions.sort();
        Ok(conditions)
    }
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

/// TCP ports, for targets to refer to.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "specs.smi-spec.io",
    version = "v1alpha4",
    kind = "TCPRoute",
    plural = "tcproutes",
    singular = "tcproute",
    shortname = "tr",
    namespaced,
    status = "Status",
    derive = "PartialEq",
    doc = "TCP ports, for targets to refer to.",
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Programmed")].status"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct TCPRouteSpec {
    /// Which ports.
    #[serde(default)]
    pub matches: Ports,
}

/// UDP ports, for targets to refer to.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "specs.smi-spec.io",
    version = "v1alpha4",
    kind = "UDPRoute",
    plural = "udproutes",
    singular = "udproute",
    shortname = "ur",
    namespaced,
    status = "Status",
    derive = "PartialEq",
    doc = "UDP ports, for targets to refer to.",
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Programmed")].status"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct UDPRouteSpec {
    /// Which ports.
    #[serde(default)]
    pub matches: Ports,
}

/// Ports of the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ports {
    /// Of no effect; some clients write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Port numbers; all ports when absent or empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "ports")]
    pub ports: Option<Vec<i64>>,
}

fn methods(_: &mut SchemaGenerator) -> Schema {
    let all = ["*", "GET", "HEAD", "PUT", "POST", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    json_schema!({ "type": "array", "items": { "type": "string", "enum": all } })
}

fn ports(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "integer", "minimum": 1, "maximum": 65535 } })
}

/// No schema can hold both forms, so the field has none.
fn untyped(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

#[cfg(test)]
mod tests;
