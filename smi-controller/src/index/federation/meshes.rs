//! Meshes: the one that this cluster is of. In the hub's cluster there are others beside it, which are the hub's.

use isthmus_core::{
    federation::{GatewayAddress, MeshName},
    id::{SpiffeId, TrustDomain},
};
use isthmus_federation::names::Cluster;
use isthmus_k8s::federation as k8s;
use kube::ResourceExt;

use crate::{
    fault::{Fault, Reason},
    index::Object,
};

/// A hub to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hub {
    /// `host:port`.
    pub(crate) address: String,
    /// What it must show.
    pub(crate) identity: SpiffeId,
}

/// A mesh, as its object says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mesh {
    pub(crate) trust_domain: Option<TrustDomain>,
    /// `None`: that of the mesh's name.
    pub(crate) cluster: Option<MeshName>,
    /// All of the mesh, this one among them. Empty: it is the only one.
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) hub: Option<Hub>,
    /// Where other meshes reach its gateways. `None`: they are to be found.
    pub(crate) gateways: Option<Vec<GatewayAddress>>,
    /// Do its workloads call others through its own gateways?
    pub(crate) egress: bool,
}

/// Reads a mesh's own fields.
pub(crate) fn read(mesh: &k8s::Mesh) -> Object<Mesh> {
    let mut faults = Vec::new();
    let spec = &mesh.spec;
    if let Err(error) = mesh.name_any().parse::<MeshName>() {
        faults.push(Fault::excluded(Reason::InvalidName, format!("metadata.name: {error}")));
    }
    let trust_domain = TrustDomain::new(&spec.trust_domain);
    if let Err(error) = &trust_domain {
        faults.push(Fault::excluded(Reason::InvalidTrustDomain, format!("spec.trustDomain: {error}")));
    }
    let cluster = spec.cluster.as_deref().and_then(|text| {
        let cluster = text.parse::<MeshName>();
        if cluster.is_err() {
            let message = format!(
                "spec.cluster: {text:?} must be 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends; the mesh's \
                 name stands in for it"
            );
            faults.push(Fault::partly(Reason::InvalidName, message));
        }
        cluster.ok()
    });
    let clusters = read_clusters(mesh, cluster.as_ref(), &mut faults);
    let gateways = spec.gateways.as_ref().map(|texts| {
        let mut addresses = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            match text.parse::<GatewayAddress>() {
                Ok(address) => addresses.push(address),
                Err(error) => {
                    let message = format!("spec.gateways[{i}]: {error}; it isn't told to other meshes");
                    faults.push(Fault::partly(Reason::InvalidAddress, message));
                }
            }
        }
        addresses
    });
    let hub = spec.hub.as_ref().and_then(|hub| read_hub(hub, &mut faults));
    let content = Mesh {
        trust_domain: trust_domain.ok(),
        cluster,
        clusters,
        hub,
        gateways,
        egress: spec.egress.unwrap_or(false),
    };
    Object::new(mesh, content, faults)
}

/// A list with a fault is none: who follows whom mustn't be guessed.
fn read_clusters(mesh: &k8s::Mesh, own: Option<&MeshName>, faults: &mut Vec<Fault>) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    for (i, text) in mesh.spec.clusters.iter().flatten().enumerate() {
        match text.parse::<Cluster>() {
            Ok(cluster) if !clusters.contains(&cluster) => clusters.push(cluster),
            Ok(_) => {
                let message = format!("spec.clusters[{i}]: {text} is there twice: name each cluster once");
                faults.push(Fault::partly(Reason::InvalidName, message));
                return Vec::new();
            }
            Err(error) => {
                faults.push(Fault::partly(Reason::InvalidName, format!("spec.clusters[{i}]: {error}")));
                return Vec::new();
            }
        }
    }
    let name = mesh.name_any();
    let own = own.map_or(name.as_str(), MeshName::as_str);
    if clusters.is_empty() || clusters.iter().any(|cluster| cluster.as_str() == own) {
        return clusters;
    }
    let message = format!(
        "spec.clusters: this cluster, {own}, isn't among them: name all clusters of the mesh, alike in each of them, and this one \
         in spec.cluster"
    );
    faults.push(Fault::partly(Reason::InvalidName, message));
    Vec::new()
}

/// A hub that can't be named can't be dialled.
fn read_hub(hub: &k8s::HubRef, faults: &mut Vec<Fault>) -> Option<Hub> {
    let port = hub.address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(1..))) {
        let message =
            format!("spec.hub.address: {:?} is not host:port: the mesh can't join others until it is", hub.address);
        faults.push(Fault::partly(Reason::InvalidAddress, message));
        return None;
    }
    match hub.identity.parse() {
        Ok(identity) => Some(Hub { address: hub.address.clone(), identity }),
        Err(error) => {
            let message = format!("spec.hub.identity: {error}; it is in the invitation");
            faults.push(Fault::partly(Reason::InvalidSpiffeId, message));
            None
        }
    }
}
