//! The CustomResourceDefinitions, made from the types.

use isthmus_core::broken;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;
use serde_json::{Number, Value};

use self::versions::all_versions;
use crate::{
    access::{IdentityBinding, TrafficTarget},
    federation::{ExportedService, ImportedService, Mesh, MeshPeer},
    specs::{HTTPRouteGroup, TCPRoute, UDPRoute},
    split::TrafficSplit,
};

mod versions;

pub use versions::{CONVERT_PATH, CONVERTED};

/// The definition of every kind, in the order of their names. SMI's are stored as v1alpha4.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut all = vec![
        ExportedService::crd(),
        all_versions(HTTPRouteGroup::crd(), versions::group),
        IdentityBinding::crd(),
        ImportedService::crd(),
        Mesh::crd(),
        MeshPeer::crd(),
        all_versions(TCPRoute::crd(), versions::tcp_route),
        all_versions(TrafficSplit::crd(), versions::split),
        all_versions(TrafficTarget::crd(), versions::target),
        UDPRoute::crd(),
    ];
    for version in all.iter_mut().flat_map(|crd| crd.spec.versions.iter_mut()) {
        if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
            tidy(schema);
        }
        version.served &= version.name != "v1alpha2" || !broken::is(broken::Fault::VersionUnserved);
    }
    all.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    all
}

/// The definitions as YAML, by file name.
pub fn files() -> Result<Vec<(String, String)>, serde_json::Error> {
    let yaml = |crd: &CustomResourceDefinition| {
        let mut value = serde_json::to_value(crd)?;
        whole_numbers(&mut value);
        let text = serde_saphyr::to_string(&value).map_err(serde::ser::Error::custom)?;
        let name = crd.metadata.name.as_deref().unwrap_or_default();
        Ok((format!("{name}.yaml"), format!("# Written by `cargo xtask crds` from the types in crates/k8s.\n{text}")))
    };
    crds().iter().map(yaml).collect()
}

/// `format: int64` and its like say nothing that the API server would check. Defaults are for our own reading: what a
/// user wrote shall come back as it was written.
fn tidy(schema: &mut JSONSchemaProps) {
    if schema.type_.as_deref() == Some("integer") {
        schema.format = None;
    }
    schema.default = None;
    for property in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
}

/// `minimum: 0` rather than `0.0`.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 1e15) {
                *number = Number::from(float as i64);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
