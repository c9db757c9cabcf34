//! What is wrong with objects of federation in the light of the others.

use isthmus_core::{federation::MeshName, id::ObjectName};
use isthmus_federation::member::ToldConflict;
use isthmus_k8s::federation::ClusterConflict;

use super::{exports, imports, peers};
use crate::{
    compile::Reader,
    fault::{Fault, Reason},
    index::{Export, Exposure, Import, Mesh, Object, Peer, RemotePort, Service},
};

/// Of this cluster's own mesh.
pub(in crate::compile) fn of_mesh(reader: &Reader<'_>, mesh: &Object<Mesh>, faults: &mut Vec<Fault>) {
    let own = &reader.settings().trust_domain;
    if let Some(given) = mesh.content.trust_domain.as_ref().filter(|given| *given != own) {
        let message = format!("spec.trustDomain: {given} isn't that of this mesh's controller, {own}: write {own}");
        faults.push(Fault::excluded(Reason::InvalidTrustDomain, message));
    }
}

pub(in crate::compile) fn of_peer(reader: &Reader<'_>, peer: &Object<Peer>, faults: &mut Vec<Fault>) {
    faults.extend(peers::why_not(reader, peer));
    if peer.content.bundle.is_none() && faults.is_empty() {
        let message = match peer.content.pin {
            Some(_) => "no bundle of this mesh has come yet: nothing of it is trusted",
            None => {
                "spec.bundleDigest: without the digest of its first bundle nothing of this mesh can be trusted; join with an \
                 invitation, which brings it"
            }
        };
        faults.push(Fault::unresolved(Reason::BundleMissing, message));
    }
}

pub(in crate::compile) fn of_export(reader: &Reader<'_>, export: &Object<Export>, faults: &mut Vec<Fault>) {
    for mesh in &export.content.to {
        faults.extend(no_peer(reader, "spec.to", mesh));
    }
    let name = &export.content.service;
    let Some(service) = reader.service(name) else {
        let message = format!("spec.service: there is no Service {name}: nothing is exported until there is");
        faults.push(Fault::unresolved(Reason::ServiceNotFound, message));
        return;
    };
    if let Some(what) = unreachable(service) {
        let message =
            format!("spec.service: Service {name} is {what}; only one with a cluster address can be exported");
        faults.push(Fault::excluded(Reason::UnsupportedService, message));
        return;
    }
    for told in reader.told_of(name) {
        let ToldConflict { port, winner, loser, field, .. } = &told.conflict;
        let message = format!(
            "as mesh {} sees it, clusters {winner} and {loser} of this mesh export Service {name} with a different {field} at port \
             {port}: {winner}'s export is older and counts; make both alike",
            told.by
        );
        faults.push(Fault::unresolved(Reason::ExportConflict, message));
    }
    for port in export.content.ports.iter().flatten().filter(|port| service.port(**port).is_none()) {
        let has: Vec<_> = service.ports.iter().map(|port| port.port.to_string()).collect();
        let message = format!("spec.ports: Service {name} has no TCP port {port}; it has {}", or_none(&has.join(", ")));
        faults.push(Fault::unresolved(Reason::PortMismatch, message));
    }
    for port in exports::chosen(&export.content, service) {
        if exports::reachable(reader, service, port).is_empty() {
            let message = format!(
                "port {} of Service {name} has no ready pod with a proxy, and other meshes reach no other: label namespace {} \
                 isthmus.mesh/inject=enabled and restart its pods, if they have none",
                port.port, name.namespace
            );
            faults.push(Fault::unresolved(Reason::NoMeshedPods, message));
        }
    }
}

pub(in crate::compile) fn of_import(reader: &Reader<'_>, import: &Object<Import>, faults: &mut Vec<Fault>) {
    let Some((mesh, service)) = &import.content.from else { return };
    let own = &reader.settings().mesh;
    let local = &import.content.local;
    if let Some(winner) = imports::in_effect(reader, local).filter(|winner| winner.name != import.name) {
        let message = format!(
            "spec.as: ImportedService {} is older and makes Service {} too: this one has no effect; give it another name",
            winner.name.name, local.name
        );
        faults.push(Fault::excluded(Reason::NameConflict, message));
    } else if reader.service(local).is_some_and(|service| service.import.as_ref() != Some(&import.uid)) {
        let message = format!(
            "spec.as: Service {} is there already and isn't this import's: it stays as it is; give the import another name, or \
             delete the Service",
            local.name
        );
        faults.push(Fault::unresolved(Reason::NameConflict, message));
    }
    if let Some(fault) = no_peer(reader, "spec.from.mesh", mesh) {
        faults.push(fault);
    } else if import.content.clusters.is_empty() {
        let heard = peers::named(reader, mesh).is_some_and(|peer| peer.object.content.heard);
        faults.push(if mesh == own {
            let message = format!(
                "no other cluster of this mesh exports service {} of namespace {} to it: apply an ExportedService there, to: [{own}]",
                service.name, service.namespace
            );
            Fault::unresolved(Reason::ExportNotFound, message)
        } else if heard {
            let message = format!(
                "mesh {mesh} exports no service {} of namespace {} to this mesh: ask mesh {mesh} to export {service} to {own}",
                service.name, service.namespace
            );
            Fault::unresolved(Reason::ExportNotFound, message)
        } else {
            let message = format!(
                "nothing has been heard of mesh {mesh} yet: see MeshPeer {mesh}, and whether it exports {service} to {own}"
            );
            Fault::unresolved(Reason::PeerNotHeard, message)
        });
    }
    have_gateways(import, mesh, faults);
    clusters_agree(import, faults);
    of_failover(reader, import, faults);
}

/// Pods that nothing leads to.
fn have_gateways(import: &Object<Import>, mesh: &MeshName, faults: &mut Vec<Fault>) {
    for cluster in import.content.clusters.iter().filter(|c| c.gateways.is_empty() && !c.endpoints.is_empty()) {
        let message = format!(
            "no address of a gateway of cluster {} is known, so its pods can't be called: see condition GatewaysResolved of MeshPeer \
             {mesh}, if it is there; else that cluster's Service isthmus-gateway has no address yet",
            cluster.name
        );
        faults.push(Fault::unresolved(Reason::GatewayNotFound, message));
    }
}

/// Clusters of one mesh that mean different things by one port.
fn clusters_agree(import: &Object<Import>, faults: &mut Vec<Fault>) {
    let ports = |name: &str| {
        let cluster = import.content.clusters.iter().find(|cluster| *cluster.name == *name);
        listed(cluster.map_or(&[], |cluster| &cluster.ports))
    };
    for ClusterConflict { port, field, winner, loser } in &import.content.conflicts {
        let message = format!(
            "clusters {winner} and {loser} of the mesh export it with a different {field} at port {port}: {winner}'s export ({}) is \
             older and counts, not {loser}'s ({}); have both made alike",
            ports(winner),
            ports(loser)
        );
        faults.push(Fault::unresolved(Reason::ExportConflict, message));
    }
}

fn of_failover(reader: &Reader<'_>, import: &Object<Import>, faults: &mut Vec<Fault>) {
    for name in import.content.failover.keys() {
        let Some(service) = reader.service(name) else {
            let message =
                format!("spec.failoverFor: there is no Service {name}: the import stands in for nothing there");
            faults.push(Fault::unresolved(Reason::ServiceNotFound, message));
            continue;
        };
        if import.content.clusters.is_empty() {
            continue;
        }
        for port in &service.ports {
            if imports::counterpart(&import.content.clusters, port).is_none() {
                let message = format!(
                    "spec.failoverFor: port {} of Service {name} has no counterpart of its name or number in the import: there is \
                     no failover there",
                    port.port
                );
                faults.push(Fault::unresolved(Reason::PortMismatch, message));
            }
        }
    }
}

/// The mesh isn't a peer, or not one that counts.
fn no_peer(reader: &Reader<'_>, field: &str, mesh: &MeshName) -> Option<Fault> {
    if *mesh == reader.settings().mesh {
        let message = format!(
            "{field}: {mesh} is this mesh itself, and its Mesh names no other clusters: list them in its spec.clusters, or name \
             another mesh"
        );
        return (!peers::has_siblings(reader)).then(|| Fault::unresolved(Reason::PeerNotFound, message));
    }
    if peers::named(reader, mesh).is_some() {
        return None;
    }
    let known = reader.peer(&ObjectName::new("", mesh.as_str()));
    let message = match known {
        Some(_) => format!("{field}: MeshPeer {mesh} has no effect, see its condition Accepted"),
        None => format!("{field}: there is no MeshPeer {mesh}: join that mesh first (isthmus federation join)"),
    };
    Some(Fault::unresolved(Reason::PeerNotFound, message))
}

fn unreachable(service: &Service) -> Option<&'static str> {
    if service.import.is_some() {
        return Some("itself imported from another mesh");
    }
    match service.exposure {
        Exposure::Cluster(_) => None,
        Exposure::Headless => Some("headless"),
        Exposure::External => Some("an ExternalName"),
    }
}

fn listed(ports: &[RemotePort]) -> String {
    let one = |port: &RemotePort| {
        let protocol = port.app_protocol.as_deref().map(|protocol| format!(" ({protocol})")).unwrap_or_default();
        format!("{}/{}{protocol}", or_none(&port.name), port.port)
    };
    let all: Vec<_> = ports.iter().map(one).collect();
    all.join(", ")
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
