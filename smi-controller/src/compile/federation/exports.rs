//! What other meshes may reach of this one.

use std::collections::BTreeSet;

use isthmus_core::{
    broken::{self, Fault},
    federation::{MeshName, Token},
    id::{ObjectName, SpiffeId, TrustDomain},
    inbound,
};

use super::peers;
use crate::{
    compile::Reader,
    fault::{Effect, Kind},
    index::{Export, Exposure, Object, Pod, Service, ServicePort},
};

/// What of a pod other meshes may reach: its container ports behind exported Services.
pub(crate) fn exports(reader: &Reader<'_>, pod: &Pod) -> Vec<inbound::Export> {
    let mut exports: Vec<inbound::Export> = Vec::new();
    for slice in reader.slices_with(&pod.name) {
        for export in reader.exports_of(&slice.service).filter(|export| is_sound(export)) {
            let Some(service) = reader.service(&slice.service).filter(|service| is_exportable(service)) else {
                continue;
            };
            let names: BTreeSet<_> = chosen(&export.content, service).map(|port| &port.name).collect();
            let ports: BTreeSet<u16> =
                slice.ports.iter().filter(|port| names.contains(&port.name)).map(|port| port.port).collect();
            let to = audience(reader, &export.content);
            reader.uses(Kind::ExportedService, export);
            if ports.is_empty() || to.is_empty() {
                continue;
            }
            match exports.iter_mut().find(|known| known.name == export.name) {
                Some(known) => known.ports.extend(ports),
                None => exports.push(inbound::Export { name: export.name.clone(), ports, to }),
            }
        }
    }
    exports.sort_by(|a, b| a.name.cmp(&b.name));
    exports
}

/// The trust domains of the meshes that an export is for.
fn audience(reader: &Reader<'_>, export: &Export) -> BTreeSet<TrustDomain> {
    let peers = peers::in_force(reader).into_iter().filter(|peer| is_for(export, peer.mesh));
    peers.map(|peer| peer.trust_domain.clone()).collect()
}

/// Is it offered to that mesh?
pub(crate) fn is_for(export: &Export, mesh: &MeshName) -> bool {
    export.to.contains(mesh) || broken::is(Fault::ExportsToEveryone)
}

pub(crate) fn is_sound(export: &Object<Export>) -> bool {
    export.faults.iter().all(|fault| fault.effect != Effect::Excluded)
}

/// Only what has an address of its own can be called by name and port alone.
pub(crate) fn is_exportable(service: &Service) -> bool {
    matches!(service.exposure, Exposure::Cluster(_))
}

/// The Service's ports that an export is about.
pub(crate) fn chosen<'s>(export: &Export, service: &'s Service) -> impl Iterator<Item = &'s ServicePort> {
    let ports = export.ports.clone().filter(|_| !broken::is(Fault::ExportedPortsIgnored));
    service.ports.iter().filter(move |port| ports.as_ref().is_none_or(|chosen| chosen.contains(&port.port)))
}

/// A pod that other meshes can reach at a port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reachable {
    pub(crate) token: Token,
    pub(crate) identity: SpiffeId,
    pub(crate) addr: std::net::SocketAddr,
}

/// The ready pods behind a Service's port that have a proxy there: without one there is nobody to prove who answers.
pub(crate) fn reachable(reader: &Reader<'_>, service: &Service, port: &ServicePort) -> Vec<Reachable> {
    let mut found = Vec::new();
    for slice in reader.slices(&service.name) {
        for target in slice.ports.iter().filter(|target| target.name == port.name) {
            found.extend(slice.ready.iter().filter_map(|(address, pod)| {
                let pod = match pod {
                    Some(name) => reader.pod(name),
                    None => reader.pod_at(*address),
                };
                let pod = pod.filter(|pod| pod.meshed && !pod.bypassed.contains(&target.port))?;
                let account = ObjectName::new(pod.name.namespace.clone(), pod.account.clone());
                Some(Reachable {
                    token: reader.settings().tokens.of(&pod.uid)?,
                    identity: reader.settings().identity(&account)?,
                    addr: std::net::SocketAddr::new(*address, target.port),
                })
            }));
        }
    }
    // A pod of two address families counts once.
    found.sort_by(|a, b| (&a.token, a.addr).cmp(&(&b.token, b.addr)));
    found.dedup_by(|a, b| a.token == b.token);
    found
}
