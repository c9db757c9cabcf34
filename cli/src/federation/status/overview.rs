//! The overview: made of the objects alone.

use isthmus_core::{federation::MeshName, id::TrustDomain};
use isthmus_k8s::federation::{
    BundleStatus, CatalogStatus, ExportedService, Freshness, ImportedService, Mesh, MeshPeer,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;
use serde::Serialize;

/// One side of a federation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overview {
    pub(super) mesh: String,
    pub(super) cluster: String,
    pub(super) trust_domain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bundle: Option<Bundle>,
    /// How far a rotation of the root is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rotation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hub: Option<Hub>,
    pub(super) peers: Vec<Peer>,
    pub(super) exports: Vec<Export>,
    pub(super) imports: Vec<Import>,
}

#[derive(Debug, Serialize)]
pub(super) struct Bundle {
    pub(super) sequence: u64,
    pub(super) digest: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hub {
    pub(super) address: String,
    pub(super) connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_contact: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Peer {
    pub(super) mesh: String,
    pub(super) trust_domain: String,
    /// Connected, or what stands in the way.
    pub(super) state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bundle: Option<Bundle>,
    /// Own proxies that trust the peer's bundle, of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trust_propagated: Option<String>,
    /// Sequence of the own bundle that all of the peer's proxies trust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acknowledged: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_contact: Option<Time>,
    pub(super) catalogs: Vec<CatalogStatus>,
}

#[derive(Debug, Serialize)]
pub(super) struct Export {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) service: String,
    pub(super) to: Vec<String>,
    pub(super) state: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Import {
    pub(super) namespace: String,
    pub(super) name: String,
    /// `mesh/namespace/service`.
    pub(super) from: String,
    /// The local Service.
    pub(super) service: String,
    pub(super) freshness: Freshness,
    pub(super) endpoints: usize,
    pub(super) state: String,
}

impl Overview {
    pub(super) fn of(
        (mesh, trust_domain): (&MeshName, &TrustDomain),
        own: Option<&Mesh>,
        peers: &[MeshPeer],
        exports: &[ExportedService],
        imports: &[ImportedService],
        rotation: Option<String>,
    ) -> Self {
        let status = own.and_then(|mesh| mesh.status.as_ref());
        let cluster = own.and_then(|mesh| mesh.spec.cluster.clone());
        Self {
            mesh: mesh.to_string(),
            cluster: cluster.unwrap_or_else(|| mesh.to_string()),
            trust_domain: trust_domain.to_string(),
            bundle: status.and_then(|status| status.bundle.as_ref()).map(Bundle::of),
            rotation,
            hub: own.and_then(hub),
            peers: peers.iter().map(peer).collect(),
            exports: exports.iter().map(export).collect(),
            imports: imports.iter().map(import).collect(),
        }
    }
}

impl Bundle {
    fn of(status: &BundleStatus) -> Self {
        Self { sequence: status.sequence, digest: status.digest.clone() }
    }
}

fn hub(mesh: &Mesh) -> Option<Hub> {
    let address = mesh.spec.hub.as_ref()?.address.clone();
    let status = mesh.status.as_ref().and_then(|status| status.hub.clone()).unwrap_or_default();
    Some(Hub { address, connected: status.connected, last_contact: status.last_contact, error: status.error })
}

fn peer(peer: &MeshPeer) -> Peer {
    let status = peer.status.clone().unwrap_or_default();
    let wanted = ["Accepted", "Connected", "TrustPropagated"];
    let state = if peer.metadata.deletion_timestamp.is_some() {
        "being revoked".to_owned()
    } else {
        state(&status.conditions, &wanted, "Connected")
    };
    Peer {
        mesh: peer.name_any(),
        trust_domain: peer.spec.trust_domain.clone(),
        state,
        bundle: status.bundle.as_ref().map(Bundle::of),
        trust_propagated: status.trust_propagated,
        acknowledged: status.acknowledged,
        last_contact: status.last_contact,
        catalogs: status.catalogs,
    }
}

fn export(export: &ExportedService) -> Export {
    let conditions = export.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    Export {
        namespace: export.namespace().unwrap_or_default(),
        name: export.name_any(),
        service: export.spec.service.clone().unwrap_or_else(|| export.name_any()),
        to: export.spec.to.clone(),
        state: state(conditions, &["Accepted", "ResolvedRefs", "Programmed"], "Exported"),
    }
}

fn import(import: &ImportedService) -> Import {
    let (namespace, name) = (import.namespace().unwrap_or_default(), import.name_any());
    let from = &import.spec.from;
    let status = import.status.clone().unwrap_or_default();
    Import {
        from: format!(
            "{}/{}/{}",
            from.mesh,
            from.namespace.as_deref().unwrap_or(&namespace),
            from.service.as_deref().unwrap_or(&name)
        ),
        service: import.spec.service.clone().unwrap_or_else(|| name.clone()),
        freshness: status.state,
        endpoints: status.endpoints,
        state: state(&status.conditions, &["Accepted", "ResolvedRefs", "Programmed"], "Imported"),
        namespace,
        name,
    }
}

/// `good` if all of these conditions are true; else the first that isn't, and why.
fn state(conditions: &[Condition], wanted: &[&str], good: &str) -> String {
    if conditions.is_empty() {
        return "the controller hasn't looked at it yet".to_owned();
    }
    let found = |name: &&str| conditions.iter().find(|condition| condition.type_ == *name);
    let fault = wanted.iter().filter_map(found).find(|condition| condition.status != "True");
    fault.map_or_else(|| good.to_owned(), |fault| format!("{}: {}", fault.reason, fault.message))
}

#[cfg(test)]
mod tests;
