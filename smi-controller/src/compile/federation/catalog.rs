//! What this cluster offers to another mesh.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use isthmus_core::{
    federation::{GatewayAddress, MeshName},
    id::ObjectName,
};
use isthmus_federation::catalog::{Endpoint, Exports, Port, Service};

use super::{GATEWAY, GATEWAY_PORT, exports, imports, peers};
use crate::{
    compile::Reader,
    index::{Export, Object},
};

/// The Services that are exported to a mesh, with their pods by token, and the gateways that lead to them.
pub(crate) fn catalog(reader: &Reader<'_>, to: &MeshName, gateways: &BTreeSet<GatewayAddress>) -> Exports {
    let flat = peers::named(reader, to).is_some_and(|peer| peer.object.content.flat);
    let mut catalog = Exports { gateways: gateways.clone(), ..Exports::default() };
    for export in reader.exports().filter(|export| exports::is_sound(export) && exports::is_for(&export.content, to)) {
        let name = &export.content.service;
        let before = catalog.services.get(name).map(|service| (**service).clone());
        let Some(service) = add(reader, export, flat, before) else { continue };
        catalog.services.insert(name.clone(), Arc::new(service));
    }
    catalog
}

/// What an export adds to what others have exported of the same Service.
fn add(reader: &Reader<'_>, export: &Object<Export>, flat: bool, before: Option<Service>) -> Option<Service> {
    let service = reader.service(&export.content.service).filter(|service| exports::is_exportable(service))?;
    let created = export.created.as_second();
    let mut offered = before.unwrap_or_else(|| Service { created_at: created, ..Service::default() });
    offered.created_at = offered.created_at.min(created);
    for port in exports::chosen(&export.content, service) {
        let app_protocol = port.app_protocol.as_deref().unwrap_or_default().to_owned();
        offered.ports.insert(port.port, Port { name: port.name.to_string(), app_protocol });
        for pod in exports::reachable(reader, service, port) {
            let endpoint = offered.endpoints.entry(pod.token).or_insert_with(|| Endpoint {
                spiffe_id: pod.identity,
                ready: BTreeSet::new(),
                flat: BTreeMap::new(),
            });
            endpoint.ready.insert(port.port);
            endpoint.flat.extend(flat.then_some((port.port, pod.addr)));
        }
    }
    (!offered.ports.is_empty()).then_some(offered)
}

/// Where other meshes reach this cluster's gateways: as its Mesh says, else at the addresses or names that their Service has outside
/// of the cluster, else, where it has none, at their pods.
pub(crate) fn gateways(reader: &Reader<'_>) -> BTreeSet<GatewayAddress> {
    if let Some(given) = reader.own_mesh().and_then(|mesh| mesh.content.gateways.as_ref()) {
        return given.iter().cloned().collect();
    }
    let name = ObjectName::new(reader.settings().namespace.clone(), GATEWAY);
    let Some(service) = reader.service(&name).filter(|service| !service.external.is_empty()) else {
        return imports::pods(reader).into_iter().map(GatewayAddress::from).collect();
    };
    let port = service.port(GATEWAY_PORT).or_else(|| service.ports.first()).map_or(GATEWAY_PORT, |port| port.port);
    service.external.iter().map(|host| GatewayAddress { host: host.clone(), port }).collect()
}
