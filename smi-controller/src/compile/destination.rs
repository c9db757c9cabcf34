//! What is behind a name or address: a Service with its split, one pod, or nothing that the mesh knows.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use isthmus_core::{
    broken::{self, Fault},
    destination::{Backend, Destination, DestinationKey, Endpoint, ServiceRoute, Split},
    id::ObjectName,
    inbound::PolicyMode,
};

use super::{Reader, federation, protocol};
use crate::{
    fault::Kind,
    index::{self, Exposure, Object, Pod, Service, ServicePort, Slice},
    names,
};

/// What a caller in `namespace` reaches by this key.
pub(crate) fn destination(reader: &Reader<'_>, namespace: &str, key: &DestinationKey) -> Destination {
    let Ok(address) = key.host.parse() else {
        let name = names::service(&key.host, namespace, &reader.settings().cluster_domain);
        return name.and_then(|name| by_service(reader, &name, key.port)).unwrap_or(Destination::Unknown);
    };
    if let Some(name) = reader.service_at(address) {
        return by_service(reader, name, key.port).unwrap_or(Destination::Unknown);
    }
    match reader.pod_at(address) {
        Some(pod) => Destination::Workload(workload(reader, SocketAddr::new(address, key.port), Some(pod))),
        None => Destination::Unknown,
    }
}

fn by_service(reader: &Reader<'_>, name: &ObjectName, port: u16) -> Option<Destination> {
    let service = reader.service(name)?;
    if service.exposure == Exposure::External {
        return None;
    }
    let service_port = service.port(port)?;
    let split = match service.exposure {
        // Clients of a headless Service choose a pod themselves: there is nothing to split (smi.md §5 A29).
        Exposure::Headless | Exposure::External => None,
        Exposure::Cluster(_) if broken::is(Fault::PermissiveUnsplit) && denies_nothing(reader, name) => None,
        Exposure::Cluster(_) => reader.split_in_force(name).map(|split| compile_split(reader, split, service, port)),
    };
    Some(Destination::Service(ServiceRoute {
        protocol: protocol::hint(&service_port.name, service_port.app_protocol.as_deref()),
        root: backend(reader, service, service_port),
        split,
    }))
}

/// What a mesh might ask that is broken on purpose.
fn denies_nothing(reader: &Reader<'_>, service: &ObjectName) -> bool {
    reader.namespace(&service.namespace).mode == Some(PolicyMode::Permissive)
}

fn compile_split(reader: &Reader<'_>, split: &Object<index::Split>, root: &Service, port: u16) -> Split {
    reader.uses(Kind::TrafficSplit, split);
    let groups = split.content.groups.as_ref();
    let most = if broken::is(Fault::FirstGroupOnly) { 1 } else { usize::MAX };
    let matches = groups.map(|groups| groups.iter().take(most).flat_map(|name| all_matches(reader, name)).collect());
    let usable = |b: &index::Backend| {
        let named = named(reader, b, root);
        let service = if named == root.name { Some(root) } else { reader.service(&named) };
        // Missing, without a cluster address, or without the port: left out, and the rest share (§5 A10, A12, A29).
        if broken::is(Fault::SelfRefused) && named == root.name {
            return None;
        }
        if broken::is(Fault::MissingBackendKept) && service.is_none() {
            return Some((Backend { service: named, port, endpoints: Arc::default() }, b.weight));
        }
        let is_of_cluster = |s: &&Service| matches!(s.exposure, Exposure::Cluster(_));
        let service = service.filter(|s| is_of_cluster(s) || broken::is(Fault::ExternalBackendKept))?;
        // Kubernetes gives every Service that selects pods a slice, an empty one at least: this one is so new that it has none yet.
        if service.selects() && reader.slices(&service.name).next().is_none() {
            return None;
        }
        let other = || service.ports.first().filter(|_| broken::is(Fault::PortMismatchServed));
        Some((backend(reader, service, service.port(port).or_else(other)?), b.weight))
    };
    Split {
        name: split.name.clone(),
        generation: split.generation,
        matches,
        backends: split.content.backends.iter().filter_map(usable).collect(),
    }
}

/// The Service that a backend names; another one on a mesh that is broken on purpose.
fn named(reader: &Reader<'_>, backend: &index::Backend, root: &Service) -> ObjectName {
    if broken::is(Fault::SplitsNested) && backend.service != root.name {
        let inner = reader.split_in_force(&backend.service).and_then(|inner| inner.content.backends.first());
        return inner.unwrap_or(backend).service.clone();
    }
    if broken::is(Fault::NamespaceByPrefix) {
        return ObjectName { namespace: root.name.namespace.clone(), name: backend.service.name.clone() };
    }
    backend.service.clone()
}

/// The backends among which a split deals, whichever port is called. `None`: they differ from port to port, or there is no root.
pub(crate) fn dealt<'a>(reader: &Reader<'_>, split: &'a Object<index::Split>) -> Option<Vec<&'a index::Backend>> {
    let root = reader.service(split.content.root.as_ref()?)?;
    let takes_part = |backend: &&index::Backend, port: u16| {
        let service = reader.service(&backend.service);
        service.is_some_and(|s| matches!(s.exposure, Exposure::Cluster(_)) && s.port(port).is_some())
    };
    let at = |port: u16| split.content.backends.iter().filter(|b| takes_part(b, port)).collect::<Vec<_>>();
    let mut ports = root.ports.iter().map(|p| at(p.port));
    let first = ports.next()?;
    ports.all(|other| other == first).then_some(first)
}

fn all_matches(reader: &Reader<'_>, name: &ObjectName) -> Vec<isthmus_core::http_match::HttpMatch> {
    let Some(group) = reader.group(name) else { return Vec::new() };
    reader.uses(Kind::HttpRouteGroup, group);
    group.content.entries.iter().filter_map(|entry| entry.compiled.clone()).collect()
}

/// A Service's own endpoints at a port: never through another split (smi.md §5 A6, A33). Pods on their way out are left at once;
/// only when no other is there, and as long as they serve, they are called still, as kube-proxy does.
fn backend(reader: &Reader<'_>, service: &Service, port: &ServicePort) -> Backend {
    let mut endpoints = if service.import.is_some() {
        // Its slices hold the addresses of gateways, which take nothing but mesh TLS.
        let import = federation::import_of(reader, service);
        import.map(|import| federation::remote(reader, import, port.port, 0)).unwrap_or_default()
    } else {
        match endpoints(reader, service, port, |slice| &slice.ready) {
            none if none.is_empty() => self::endpoints(reader, service, port, |slice| &slice.leaving),
            ready => ready,
        }
    };
    endpoints.extend(federation::standing_in(reader, service, port));
    endpoints.sort_by(|a, b| a.key().cmp(&b.key()));
    endpoints.dedup_by(|a, b| a.key() == b.key());
    if broken::is(Fault::FirstEndpointOnly) {
        endpoints.truncate(1);
    }
    Backend { service: service.name.clone(), port: port.port, endpoints: endpoints.into() }
}

fn endpoints(
    reader: &Reader<'_>,
    service: &Service,
    port: &ServicePort,
    addresses: impl Fn(&Slice) -> &BTreeSet<(IpAddr, Option<ObjectName>)>,
) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for slice in reader.slices(&service.name) {
        for target in slice.ports.iter().filter(|p| p.name == port.name) {
            endpoints.extend(addresses(slice).iter().filter_map(|(address, pod)| {
                let pod = match pod {
                    // Until the pod is known nobody can say whether it has a proxy: plaintext would be a guess.
                    Some(name) => Some(reader.pod(name)?),
                    None => reader.pod_at(*address),
                };
                let number = if broken::is(Fault::TargetPortIgnored) { port.port } else { target.port };
                Some(workload(reader, SocketAddr::new(*address, number), pod))
            }));
        }
    }
    endpoints
}

/// A pod has an identity at the ports where its proxy can prove it; anything else is called in plaintext.
fn workload(reader: &Reader<'_>, addr: SocketAddr, pod: Option<&Pod>) -> Endpoint {
    let meshed = pod.filter(|pod| pod.meshed && !pod.bypassed.contains(&addr.port()));
    let identity = meshed
        .and_then(|pod| reader.settings().identity(&ObjectName::new(pod.name.namespace.clone(), pod.account.clone())));
    let workload: Arc<str> = match pod {
        Some(pod) => pod.name.to_string().into(),
        None => addr.ip().to_string().into(),
    };
    Endpoint::local(addr, identity, workload)
}
