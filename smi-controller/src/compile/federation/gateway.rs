//! What the gateways between meshes relay.

use std::collections::{BTreeMap, BTreeSet};

use isthmus_core::{
    federation::MeshName,
    gateway::{Egress, Routes, Target},
};
use isthmus_k8s::federation::Freshness;

use super::{exports, imports, peers};
use crate::{compile::Reader, fault::Kind};

/// Inwards what is exported to anyone, for only the callee can know who calls; outwards what is imported, where workloads call
/// other meshes through these gateways.
pub(crate) fn routes(reader: &Reader<'_>) -> Routes {
    let mut routes = Routes::none(reader.settings().mesh.clone());
    let own = peers::has_siblings(reader).then(|| reader.settings().mesh.clone());
    let audience: BTreeSet<_> = peers::in_force(reader).iter().map(|peer| peer.mesh.clone()).chain(own).collect();
    for export in reader.exports().filter(|export| exports::is_sound(export)) {
        if !audience.iter().any(|mesh| exports::is_for(&export.content, mesh)) {
            continue;
        }
        let Some(service) = reader.service(&export.content.service).filter(|s| exports::is_exportable(s)) else {
            continue;
        };
        reader.uses(Kind::ExportedService, export);
        for port in exports::chosen(&export.content, service) {
            let pods = exports::reachable(reader, service, port).into_iter();
            let targets = pods.map(|pod| Target { token: pod.token, addr: pod.addr }).collect();
            routes.exported.insert((service.name.clone(), port.port), targets);
        }
    }
    if reader.own_mesh().is_none_or(|mesh| !mesh.content.egress) {
        return routes;
    }
    let mut ways: BTreeMap<(&MeshName, &str), Egress> = BTreeMap::new();
    for import in reader.imports() {
        let Some((mesh, service)) = &import.content.from else { continue };
        let counts = imports::in_effect(reader, &import.content.local).is_some_and(|counts| counts.name == import.name);
        if !counts || peers::origin(reader, mesh).is_none() {
            continue;
        }
        reader.uses(Kind::ImportedService, import);
        // A gateway that leads to a mesh has a part in its revocation.
        if let Some(peer) = peers::named(reader, mesh) {
            peers::counts(reader, peer.object);
        }
        for cluster in import.content.clusters.iter().filter(|cluster| cluster.state != Freshness::Expired) {
            let egress = ways.entry((mesh, &cluster.name)).or_default();
            egress.gateways.extend(&cluster.gateways);
            egress.services.extend(cluster.ports.iter().map(|port| (service.clone(), port.port)));
            egress.tokens.extend(cluster.endpoints.iter().map(|pod| pod.token.clone()));
        }
    }
    for ((mesh, _), mut egress) in ways {
        egress.gateways.sort();
        egress.gateways.dedup();
        routes.peers.entry(mesh.clone()).or_default().push(egress);
    }
    for (mesh, ways) in &mut routes.peers {
        // Pods come and go: where all are behind the same gateways, those needn't hear of each.
        if let ([way], true) = (ways.as_mut_slice(), *mesh != routes.mesh) {
            way.tokens.clear();
        }
    }
    routes
}
