//! The Services that stand here for those of other meshes. What somebody else has made is never overwritten.

use std::{collections::BTreeMap, net::SocketAddr};

use isthmus_federation::catalog::Port;
use serde_json::{Value, json};

use crate::{
    compile::Imported,
    index::{
        Import, Object, Service,
        seen::{MANAGED_BY, MANAGER},
    },
};

/// On a Service that was made for an import: the mesh that it leads to.
pub(crate) const IMPORTED_FROM: &str = "isthmus.mesh/imported-from";

/// What to do about an import's Service.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Create(Value),
    /// A merge patch.
    Patch(Value),
}

/// `None`: it is as it should be, or not ours, or nothing is known of it.
pub(super) fn step(imported: &Imported, ports: Option<&BTreeMap<u16, Port>>) -> Option<Step> {
    if !imported.counts {
        return None;
    }
    let ports = ports?;
    match &imported.service {
        None => Some(Step::Create(service(&imported.import, ports))),
        Some(found) if !is_ours(&imported.import, found) => None,
        Some(found) if has_ports(found, ports) && !found.selects() => None,
        Some(_) => Some(Step::Patch(json!({"spec": {"ports": written(ports), "selector": null}}))),
    }
}

/// Was the Service made for this import?
pub(super) fn is_ours(import: &Object<Import>, service: &Service) -> bool {
    service.import.as_ref() == Some(&import.uid)
}

fn has_ports(service: &Service, ports: &BTreeMap<u16, Port>) -> bool {
    let found: Vec<_> =
        service.ports.iter().map(|p| (p.port, &*p.name, p.app_protocol.as_deref().unwrap_or(""))).collect();
    let names: Vec<String> = ports.iter().map(|(number, port)| name(ports, *number, port)).collect();
    let wanted =
        ports.iter().zip(&names).map(|((number, port), name)| (*number, name.as_str(), port.app_protocol.as_str()));
    wanted.eq(found)
}

/// Of several ports each must have a name.
fn name(ports: &BTreeMap<u16, Port>, number: u16, port: &Port) -> String {
    if port.name.is_empty() && ports.len() > 1 { format!("p{number}") } else { port.name.clone() }
}

fn written(ports: &BTreeMap<u16, Port>) -> Vec<Value> {
    let port = |(number, port): (&u16, &Port)| {
        let mut written = json!({"port": number, "protocol": "TCP"});
        if let Some(fields) = written.as_object_mut() {
            let name = name(ports, *number, port);
            if !name.is_empty() {
                fields.insert("name".into(), name.into());
            }
            if !port.app_protocol.is_empty() {
                fields.insert("appProtocol".into(), port.app_protocol.as_str().into());
            }
        }
        written
    };
    ports.iter().map(port).collect()
}

/// Without a selector: its endpoints are other meshes'.
fn service(import: &Object<Import>, ports: &BTreeMap<u16, Port>) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata(import, &import.content.local.name, &[]),
        "spec": {"type": "ClusterIP", "ports": written(ports)}
    })
}

fn metadata(import: &Object<Import>, name: &str, more: &[(&str, &str)]) -> Value {
    let mesh = import.content.from.as_ref().map(|(mesh, _)| mesh.as_str()).unwrap_or_default();
    let labels: BTreeMap<&str, &str> = more.iter().copied().chain([(IMPORTED_FROM, mesh)]).collect();
    json!({
        "name": name, "namespace": import.name.namespace, "labels": labels,
        "ownerReferences": [{
            "apiVersion": import_version(), "kind": "ImportedService", "name": import.name.name, "uid": import.uid,
            "controller": true, "blockOwnerDeletion": true
        }]
    })
}

fn import_version() -> String {
    format!("{}/{}", isthmus_k8s::federation::GROUP, isthmus_k8s::federation::VERSION)
}

/// The names of the EndpointSlices of a Service, by address family.
pub(super) fn slice_names(service: &str) -> [String; 2] {
    ["v4", "v6"].map(|family| format!("{service}-isthmus-{family}"))
}

/// The EndpointSlices of an import's Service: the gateways that lead to it, one slice for each address family. They say to
/// users and tools where it leads; sidecars go by the import itself.
pub(super) fn slices(import: &Object<Import>, service: &Service, gateways: &[SocketAddr]) -> Vec<(String, Value)> {
    let families = slice_names(&service.name.name).into_iter().zip([("IPv4", true), ("IPv6", false)]);
    let slices = families.filter_map(|(name, (family, v4))| {
        let of_family = gateways.iter().filter(|gateway| gateway.is_ipv4() == v4);
        // A slice has one number for each port: gateways at another than the lowest are left to the sidecars.
        let number = of_family.clone().map(SocketAddr::port).min()?;
        let addresses = of_family.filter(|gateway| gateway.port() == number).map(|gateway| gateway.ip());
        let endpoints: Vec<Value> =
            addresses.map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}})).collect();
        let ports = service.ports.iter().map(
            |port| json!({"name": port.name, "port": number, "protocol": "TCP", "appProtocol": port.app_protocol}),
        );
        let labels = [("kubernetes.io/service-name", &*service.name.name), (MANAGED_BY, MANAGER)];
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata(import, &name, &labels),
            "addressType": family, "endpoints": endpoints, "ports": ports.collect::<Vec<_>>()
        });
        Some((name, slice))
    });
    slices.collect()
}

#[cfg(test)]
mod tests;
