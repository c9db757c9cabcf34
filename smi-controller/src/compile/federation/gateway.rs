//! What the gateways between meshes relay.

use isthmus_core::gateway::{Egress, Routes, Target};
use isthmus_k8s::federation::Freshness;

use super::{exports, imports, peers};
use crate::{compile::Reader, fault::Kind};

/// Inwards what is exported to anyone, for only the callee can know who calls; outwards what is imported, where workloads call
/// other meshes through these gateways.
pub(crate) fn routes(reader: &Reader<'_>) -> Routes {
    let mut routes = Routes::none(reader.settings().mesh.clone());
    let peers = peers::in_force(reader);
    for export in reader.exports().filter(|export| exports::is_sound(export)) {
        if !peers.iter().any(|peer| export.content.to.contains(peer.mesh)) {
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
    for import in reader.imports() {
        let Some((mesh, service)) = &import.content.from else { continue };
        let counts = imports::in_effect(reader, &import.content.local).is_some_and(|counts| counts.name == import.name);
        let trusted = peers.iter().any(|peer| peer.mesh == mesh && peer.object.content.bundle.is_some());
        if !counts || !trusted {
            continue;
        }
        reader.uses(Kind::ImportedService, import);
        let egress: &mut Egress = routes.peers.entry(mesh.clone()).or_default();
        for cluster in import.content.clusters.iter().filter(|cluster| cluster.state != Freshness::Expired) {
            egress.gateways.extend(&cluster.gateways);
            egress.services.extend(cluster.ports.iter().map(|port| (service.clone(), port.port)));
        }
    }
    for egress in routes.peers.values_mut() {
        egress.gateways.sort();
        egress.gateways.dedup();
    }
    routes
}
