//! The catalogs of other meshes, as they are held here, and what they mean for imports.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use isthmus_core::{
    broken::{self, Fault},
    federation::{GatewayAddress, HostName, MeshName},
    id::ObjectName,
};
use isthmus_federation::{
    catalog::{
        Digest, Exports, Port,
        freshness::{Freshness, Pulse},
        merge::{Conflict, Merged, merge},
    },
    limits::DEFAULT_MAX_STALE,
    names::Cluster,
};
use isthmus_k8s::federation::{
    CatalogAddress, CatalogEndpoint, CatalogPort, CatalogStatus, ClusterCatalog, ClusterConflict, ResolvedName,
};

use super::addresses::{Addresses, Answer, names};
use crate::index::{self, Import};

/// Most endpoints of one cluster that an import takes: they are written into one object.
pub(super) const MAX_ENDPOINTS: usize = 2000;

/// The catalog of one cluster of a mesh.
#[derive(Debug, Clone)]
struct Held {
    sequence: u64,
    digest: Digest,
    /// `None` after a restart, until it comes anew: then imports keep what they have.
    exports: Option<Arc<Exports>>,
    gateways: BTreeSet<GatewayAddress>,
    pulse: Pulse,
}

/// All catalogs of one mesh.
#[derive(Debug, Clone, Default)]
struct OfMesh {
    clusters: BTreeMap<Cluster, Held>,
    merged: BTreeMap<ObjectName, Merged>,
}

/// All catalogs.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalogs {
    by_mesh: BTreeMap<MeshName, OfMesh>,
    /// Of the gateways in them that have names.
    addresses: Addresses,
}

/// What an import's status says of its catalog.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Content {
    pub(super) state: Freshness,
    pub(super) clusters: Vec<ClusterCatalog>,
    /// Where they differ.
    pub(super) conflicts: Vec<ClusterConflict>,
}

impl Catalogs {
    /// What was known before a restart, and how old it was.
    pub(super) fn restore(&mut self, mesh: MeshName, known: &[CatalogStatus], age: Duration, now: Instant) {
        for known in known {
            let Some((cluster, digest)) = known.cluster.parse().ok().zip(digest(&known.digest)) else { continue };
            self.addresses.restore(&known.names);
            let pulse = Pulse::resume(known.sequence, age, now);
            let gateways = known.gateways.iter().filter_map(|text| text.parse().ok()).collect();
            let held = Held { sequence: known.sequence, digest, exports: None, gateways, pulse };
            self.by_mesh.entry(mesh.clone()).or_default().clusters.insert(cluster, held);
        }
    }

    /// A newer one.
    pub(super) fn take(
        &mut self,
        mesh: MeshName,
        cluster: Cluster,
        sequence: u64,
        digest: Digest,
        exports: Arc<Exports>,
        now: Instant,
    ) {
        let of_mesh = self.by_mesh.entry(mesh).or_default();
        let (gateways, pulse) = (exports.gateways.clone(), Pulse::begin(sequence, now));
        let held = Held { sequence, digest, exports: Some(exports), gateways, pulse };
        of_mesh.clusters.insert(cluster, held);
        of_mesh.merge();
    }

    /// A sign of life.
    pub(super) fn beat(&mut self, mesh: &MeshName, cluster: &Cluster, sequence: u64, counter: u64, now: Instant) {
        if let Some(held) = self.by_mesh.get_mut(mesh).and_then(|of_mesh| of_mesh.clusters.get_mut(cluster)) {
            held.pulse.beat(sequence, counter, now);
        }
    }

    /// A cluster offers nothing any more.
    pub(super) fn withdraw(&mut self, mesh: &MeshName, cluster: &Cluster) {
        if let Some(of_mesh) = self.by_mesh.get_mut(mesh) {
            of_mesh.clusters.remove(cluster);
            of_mesh.merge();
        }
    }

    /// Only these meshes are peers.
    pub(super) fn retain(&mut self, peers: impl Fn(&MeshName) -> bool) {
        self.by_mesh.retain(|mesh, _| peers(mesh));
    }

    /// The newest of each cluster, below which nothing is taken.
    pub(super) fn floors(&self, mesh: &MeshName) -> BTreeMap<Cluster, (u64, Digest)> {
        let clusters = self.by_mesh.get(mesh).into_iter().flat_map(|of_mesh| &of_mesh.clusters);
        clusters.map(|(cluster, held)| (cluster.clone(), (held.sequence, held.digest))).collect()
    }

    /// Where the mesh's clusters differ.
    pub(super) fn conflicts(&self, mesh: &MeshName) -> Vec<Conflict> {
        let services = self.by_mesh.get(mesh).into_iter().flat_map(|of_mesh| of_mesh.merged.values());
        services.flat_map(|service| service.conflicts.iter().cloned()).collect()
    }

    /// How old each is: for metrics.
    pub(super) fn ages(&self, now: Instant) -> impl Iterator<Item = (&MeshName, &Cluster, Duration)> {
        let of_mesh = move |(mesh, of_mesh)| {
            let of_mesh: &OfMesh = of_mesh;
            of_mesh.clusters.iter().map(move |(cluster, held)| (mesh, cluster, held.pulse.age(now)))
        };
        self.by_mesh.iter().flat_map(of_mesh)
    }

    /// What the status of the mesh's peer says of them.
    pub(super) fn status(&self, mesh: &MeshName, now: Instant) -> Vec<CatalogStatus> {
        let clusters = self.by_mesh.get(mesh).into_iter().flat_map(|of_mesh| &of_mesh.clusters);
        let status = |(cluster, held): (&Cluster, &Held)| CatalogStatus {
            cluster: cluster.to_string(),
            sequence: held.sequence,
            digest: held.digest.to_string(),
            state: write(held.pulse.freshness(now, DEFAULT_MAX_STALE)),
            services: held.exports.as_ref().map_or(0, |exports| exports.services.len()),
            gateways: held.gateways.iter().map(ToString::to_string).collect(),
            names: self.addresses.status(&held.gateways),
        };
        clusters.map(status).collect()
    }

    /// The names of gateways that are to be looked up now.
    pub(super) fn ask(&mut self, now: Instant) -> Vec<HostName> {
        let held = self.by_mesh.values().flat_map(|of_mesh| of_mesh.clusters.values());
        let used = names(held.flat_map(|held| &held.gateways));
        self.addresses.ask(&used, now)
    }

    /// What is known of the names of a mesh's gateways, each once.
    pub(super) fn names(&self, mesh: &MeshName) -> Vec<ResolvedName> {
        let clusters = self.by_mesh.get(mesh).into_iter().flat_map(|of_mesh| of_mesh.clusters.values());
        let gateways: BTreeSet<&GatewayAddress> = clusters.flat_map(|held| &held.gateways).collect();
        self.addresses.status(gateways)
    }

    /// The meshes, for metrics, and how many names of their gateways aren't known, or not anew.
    pub(super) fn unresolved(&self) -> impl Iterator<Item = (&MeshName, usize)> {
        let failed = |mesh| self.names(mesh).iter().filter(|name| name.failure.is_some()).count();
        self.by_mesh.keys().map(move |mesh| (mesh, failed(mesh)))
    }

    /// A lookup is over.
    pub(super) fn found(&mut self, host: &HostName, answer: Answer, now: Instant) {
        self.addresses.take(host, answer, now);
    }

    /// What the status of an import says.
    pub(super) fn content(&self, import: &Import, now: Instant) -> Content {
        let found = import.from.as_ref().and_then(|(mesh, service)| Some((self.by_mesh.get(mesh)?, service)));
        let mut content = Content { state: Freshness::Expired, clusters: Vec::new(), conflicts: Vec::new() };
        let Some((of_mesh, service)) = found else { return content };
        content.conflicts = match of_mesh.merged.get(service) {
            Some(merged) => merged.conflicts.iter().map(conflict).collect(),
            None if of_mesh.clusters.values().all(|held| held.exports.is_none()) => {
                import.conflicts.iter().cloned().collect()
            }
            None => Vec::new(),
        };
        for (cluster, held) in &of_mesh.clusters {
            let state = held.pulse.freshness(now, import.max_stale);
            let before = import.clusters.iter().find(|known| *known.name == *cluster.as_str());
            let gateways = self.addresses.of(&held.gateways, before.map_or(&[], |before| &before.gateways));
            let gateways: Vec<String> = gateways.iter().map(ToString::to_string).collect();
            let before = || before.map(|before| known(before, gateways.clone()));
            let catalog = match &held.exports {
                Some(exports) if broken::is(Fault::ImportOutlivesExport) && !exports.services.contains_key(service) => {
                    before()
                }
                Some(exports) => offered(of_mesh.merged.get(service), exports, service, cluster, gateways.clone()),
                None => before(),
            };
            if let Some(catalog) = catalog {
                content.state = content.state.min(state);
                content.clusters.push(ClusterCatalog { state: write(state), ..catalog });
            }
        }
        content
    }

    /// The ports of an import's Service, each as the oldest export has it. `None`: they aren't known at present.
    pub(super) fn ports(&self, import: &Import) -> Option<&BTreeMap<u16, Port>> {
        let (mesh, service) = import.from.as_ref()?;
        self.by_mesh.get(mesh)?.merged.get(service).map(|merged| &merged.ports).filter(|ports| !ports.is_empty())
    }
}

impl OfMesh {
    fn merge(&mut self) {
        let known = self.clusters.iter().filter_map(|(cluster, held)| Some((cluster, held.exports.as_ref()?)));
        self.merged = merge(known);
    }
}

/// What a cluster brings to a service: its own ports, and of its pods what fits to those that count.
fn offered(
    merged: Option<&Merged>,
    exports: &Exports,
    service: &ObjectName,
    cluster: &Cluster,
    gateways: Vec<String>,
) -> Option<ClusterCatalog> {
    let (part, own) = (merged?.clusters.get(cluster)?, exports.services.get(service)?);
    let port = |(number, port): (&u16, &Port)| CatalogPort {
        name: port.name.clone(),
        port: *number,
        app_protocol: Some(port.app_protocol.clone()).filter(|text| !text.is_empty()),
    };
    let ready = part.endpoints.iter().filter(|(_, endpoint)| !endpoint.ready.is_empty());
    let endpoints: Vec<_> = ready
        .take(MAX_ENDPOINTS)
        .map(|(token, endpoint)| CatalogEndpoint {
            token: token.to_string(),
            identity: endpoint.spiffe_id.to_string(),
            ports: endpoint.ready.iter().copied().collect(),
            addresses: addresses(&endpoint.flat),
        })
        .collect();
    if endpoints.len() == MAX_ENDPOINTS && part.endpoints.len() > MAX_ENDPOINTS {
        tracing::warn!(%service, %cluster, limit = MAX_ENDPOINTS, "more endpoints than an import takes: the others aren't called");
    }
    Some(ClusterCatalog {
        cluster: cluster.to_string(),
        state: write(Freshness::Fresh),
        gateways,
        ports: own.ports.iter().map(port).collect(),
        endpoints,
    })
}

fn conflict(conflict: &Conflict) -> ClusterConflict {
    ClusterConflict {
        port: conflict.port,
        field: conflict.field.as_str().to_owned(),
        winner: conflict.winner.to_string(),
        loser: conflict.loser.to_string(),
    }
}

/// What an import had before a restart.
fn known(cluster: &index::Cluster, gateways: Vec<String>) -> ClusterCatalog {
    let port = |port: &index::RemotePort| CatalogPort {
        name: port.name.to_string(),
        port: port.port,
        app_protocol: port.app_protocol.as_deref().map(str::to_owned),
    };
    let endpoint = |endpoint: &index::RemoteEndpoint| CatalogEndpoint {
        token: endpoint.token.to_string(),
        identity: endpoint.identity.to_string(),
        ports: endpoint.ports.iter().copied().collect(),
        addresses: addresses(&endpoint.flat),
    };
    ClusterCatalog {
        cluster: cluster.name.to_string(),
        state: cluster.state,
        gateways,
        ports: cluster.ports.iter().map(port).collect(),
        endpoints: cluster.endpoints.iter().map(endpoint).collect(),
    }
}

fn addresses(flat: &BTreeMap<u16, SocketAddr>) -> Vec<CatalogAddress> {
    flat.iter().map(|(port, address)| CatalogAddress { port: *port, address: address.to_string() }).collect()
}

pub(super) fn write(state: Freshness) -> isthmus_k8s::federation::Freshness {
    match state {
        Freshness::Fresh => isthmus_k8s::federation::Freshness::Fresh,
        Freshness::Stale => isthmus_k8s::federation::Freshness::Stale,
        Freshness::Expired => isthmus_k8s::federation::Freshness::Expired,
    }
}

/// Reads `sha256:<hex>`.
fn digest(text: &str) -> Option<Digest> {
    let digits = text.strip_prefix("sha256:")?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    Digest::from_bytes(&bytes?)
}

#[cfg(test)]
mod tests;
