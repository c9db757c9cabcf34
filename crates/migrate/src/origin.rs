//! Which mesh the objects were written for. SMI objects don't say, and meshes have read them differently.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::input::Document;

/// Where objects come from, as the user says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum From {
    /// Find out.
    #[default]
    Auto,
    /// Linkerd, with linkerd-smi.
    Linkerd,
    /// Open Service Mesh.
    Osm,
    /// Traefik Mesh, or Maesh.
    TraefikMesh,
    /// Gateway API.
    GatewayApi,
    /// Any mesh that reads SMI as the specification does.
    Smi,
}

/// How SMI objects are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// As the specification says.
    #[default]
    Smi,
    /// As OSM did: expressions match the whole, a rule without `matches` grants nothing.
    Osm,
    /// As Traefik Mesh does: `/` and then the expression; a target with a fault in it grants nothing.
    TraefikMesh,
}

impl Reading {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smi => "the specification",
            Self::Osm => "OSM",
            Self::TraefikMesh => "Traefik Mesh",
        }
    }
}

/// The input has marks of several meshes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{osm} looks like OSM's, and {traefik} like Traefik Mesh's: translate them apart, or say --from")]
pub struct Ambiguous {
    /// A document of the one.
    pub osm: String,
    /// A document of the other.
    pub traefik: String,
}

/// How SMI objects among the documents are to be read.
pub(crate) fn resolve(documents: &[Document], from: From) -> Result<Reading, Ambiguous> {
    match from {
        From::Osm => return Ok(Reading::Osm),
        From::TraefikMesh => return Ok(Reading::TraefikMesh),
        From::Linkerd | From::GatewayApi | From::Smi => return Ok(Reading::Smi),
        From::Auto => {}
    }
    // What only one mesh writes says more than versions do.
    for mark in [marked, versioned] {
        let of = |reading| documents.iter().find(|document| mark(document) == Some(reading));
        match (of(Reading::Osm), of(Reading::TraefikMesh)) {
            (Some(osm), Some(traefik)) => {
                let name = |document: &Document| format!("{} ({})", document.title(), document.source);
                return Err(Ambiguous { osm: name(osm), traefik: name(traefik) });
            }
            (Some(_), None) => return Ok(Reading::Osm),
            (None, Some(_)) => return Ok(Reading::TraefikMesh),
            (None, None) => {}
        }
    }
    Ok(Reading::Smi)
}

fn marked(document: &Document) -> Option<Reading> {
    if document.group().ends_with("openservicemesh.io") {
        return Some(Reading::Osm);
    }
    keys(&document.value).into_iter().find_map(|(_, key, _)| {
        let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
        match prefix {
            "openservicemesh.io" => Some(Reading::Osm),
            "mesh.traefik.io" | "maesh.containo.us" => Some(Reading::TraefikMesh),
            _ => None,
        }
    })
}

/// OSM and Traefik Mesh have each served one version of these. The narrower reading is the safe one where others have too.
fn versioned(document: &Document) -> Option<Reading> {
    match (document.group(), document.version()) {
        ("access.smi-spec.io", "v1alpha3") | ("specs.smi-spec.io", "v1alpha4") => Some(Reading::Osm),
        ("access.smi-spec.io", "v1alpha2") | ("specs.smi-spec.io", "v1alpha3") => Some(Reading::TraefikMesh),
        _ => None,
    }
}

/// Labels and annotations of an object and of its pods: where, key, value.
pub(crate) fn keys(object: &Value) -> Vec<(String, String, String)> {
    let mut found = BTreeMap::new();
    for place in ["metadata", "spec.template.metadata", "spec.jobTemplate.spec.template.metadata"] {
        for field in ["labels", "annotations"] {
            let pointer = format!("/{}/{field}", place.replace('.', "/"));
            let map = object.pointer(&pointer).and_then(Value::as_object);
            for (key, value) in map.into_iter().flatten() {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                found.insert((format!("{place}.{field}"), key.clone()), value);
            }
        }
    }
    found.into_iter().map(|((place, key), value)| (place, key, value)).collect()
}
