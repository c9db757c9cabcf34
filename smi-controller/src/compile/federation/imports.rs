//! The endpoints of imported services: one for each remote pod and gateway by which it can be reached.

use std::{net::SocketAddr, sync::Arc};

use isthmus_core::{
    broken::{self, Fault},
    destination::{Endpoint, Remote},
    federation::RemoteName,
    id::ObjectName,
};
use isthmus_k8s::federation::Freshness;

use super::{GATEWAY, GATEWAY_PORT, peers};
use crate::{
    compile::Reader,
    fault::{Effect, Kind},
    index::{Cluster, Import, Object, Service, ServicePort},
};

/// The import that a Service was made for, if it is the one in effect under this name.
pub(crate) fn of_service<'a>(reader: &Reader<'a>, service: &Service) -> Option<&'a Object<Import>> {
    let uid = service.import.as_ref()?;
    in_effect(reader, &service.name).filter(|import| import.uid == *uid)
}

/// Of the imports under a Service's name the one that counts: the oldest that is well formed.
pub(crate) fn in_effect<'a>(reader: &Reader<'a>, local: &ObjectName) -> Option<&'a Object<Import>> {
    let sound = |import: &&Object<Import>| import.faults.iter().all(|fault| fault.effect != Effect::Excluded);
    reader.imports_as(local).find(sound)
}

/// The remote endpoints of an import at a port of the service.
pub(crate) fn remote(reader: &Reader<'_>, import: &Object<Import>, port: u16, priority: u8) -> Vec<Endpoint> {
    let Some((mesh, service)) = &import.content.from else { return Vec::new() };
    let Some(origin) = peers::origin(reader, mesh) else { return Vec::new() };
    reader.uses(Kind::ImportedService, import);
    let own = egress(reader);
    let mut endpoints = Vec::new();
    for cluster in import.content.clusters.iter().filter(|cluster| cluster.state != Freshness::Expired) {
        let gateways: &[SocketAddr] = own.as_deref().unwrap_or(&cluster.gateways);
        let most = if broken::is(Fault::RemoteEndpointsFirstOnly) { 1 } else { usize::MAX };
        for pod in cluster.endpoints.iter().filter(|pod| pod.ports.contains(&port)).take(most) {
            // Who speaks for one mesh can't name workloads of another.
            if pod.identity.trust_domain() != origin.trust_domain {
                continue;
            }
            let name =
                RemoteName { token: Some(pod.token.clone()), port, service: service.clone(), mesh: mesh.clone() };
            let remote = Remote {
                server_name: name.to_string().into(),
                mesh: mesh.clone(),
                stale: cluster.state == Freshness::Stale,
            };
            let workload: Arc<str> = format!("{mesh}/{service}/{}", pod.token).into();
            let straight = pod.flat.get(&port).filter(|_| origin.flat);
            endpoints.extend(straight.map_or(gateways, std::slice::from_ref).iter().map(|addr| Endpoint {
                addr: *addr,
                identity: Some(pod.identity.clone()),
                workload: workload.clone(),
                remote: Some(remote.clone()),
                priority,
            }));
        }
    }
    endpoints
}

/// The remote endpoints that stand in for a Service's own, in their order.
pub(crate) fn standing_in(reader: &Reader<'_>, service: &Service, port: &ServicePort) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    if broken::is(Fault::FailoverIgnored) {
        return endpoints;
    }
    for (priority, import) in reader.standing_in_for(&service.name) {
        if in_effect(reader, &import.content.local).is_none_or(|counts| counts.name != import.name) {
            continue;
        }
        if let Some(port) = counterpart(&import.content.clusters, port) {
            endpoints.extend(remote(reader, import, port, priority));
        }
    }
    endpoints
}

/// The port of an import that stands in for a Service's port: that of the same name, or else of the same number.
pub(super) fn counterpart(clusters: &[Cluster], port: &ServicePort) -> Option<u16> {
    let all = || clusters.iter().flat_map(|cluster| &cluster.ports);
    let named = all().find(|remote| !port.name.is_empty() && remote.name == port.name);
    named.or_else(|| all().find(|remote| remote.port == port.port)).map(|remote| remote.port)
}

/// The mesh's own gateways, where workloads call others through them.
pub(crate) fn egress(reader: &Reader<'_>) -> Option<Vec<SocketAddr>> {
    let mesh = reader.own_mesh().filter(|mesh| mesh.content.egress);
    mesh.map(|_| pods(reader))
}

/// The addresses of the gateways' own pods.
pub(super) fn pods(reader: &Reader<'_>) -> Vec<SocketAddr> {
    let service = ObjectName::new(reader.settings().namespace.clone(), GATEWAY);
    let ready = reader.slices(&service).flat_map(|slice| &slice.ready);
    let mut addresses: Vec<_> = ready.map(|(address, _)| SocketAddr::new(*address, GATEWAY_PORT)).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}
