//! The model as messages.

use std::net::SocketAddr;

use isthmus_core::{
    destination::{Backend, Destination, DestinationKey, Endpoint, ProtocolHint, Remote, ServiceRoute, Split},
    http_match::HttpMatch,
    id::ObjectName,
    inbound::{Exemptions, Export, Grant, HttpScope, InboundPolicy, PolicyMode, PortSet, Source},
};

use crate::control::v1 as proto;

/// The key of a destination.
pub fn destination_key(key: &DestinationKey) -> proto::ResourceKey {
    let key = proto::DestinationKey { host: key.host.to_string(), port: key.port.into() };
    proto::ResourceKey { kind: Some(proto::resource_key::Kind::Destination(key)) }
}

/// The key of the proxy's own inbound policy.
pub fn inbound_key() -> proto::ResourceKey {
    proto::ResourceKey { kind: Some(proto::resource_key::Kind::Inbound(proto::Unit {})) }
}

/// The key of the roots.
pub fn bundles_key() -> proto::ResourceKey {
    proto::ResourceKey { kind: Some(proto::resource_key::Kind::Bundles(proto::Unit {})) }
}

/// The key of what a gateway relays.
pub fn gateway_key() -> proto::ResourceKey {
    proto::ResourceKey { kind: Some(proto::resource_key::Kind::Gateway(proto::Unit {})) }
}

/// The key of what users want to see of a pod's traffic.
pub fn telemetry_key() -> proto::ResourceKey {
    proto::ResourceKey { kind: Some(proto::resource_key::Kind::Telemetry(proto::Unit {})) }
}

/// The key of who watches a pod's traffic.
pub fn taps_key() -> proto::ResourceKey {
    proto::ResourceKey { kind: Some(proto::resource_key::Kind::Taps(proto::Unit {})) }
}

/// An inbound policy.
pub fn inbound(policy: &InboundPolicy) -> proto::InboundPolicy {
    proto::InboundPolicy {
        mode: match policy.mode {
            PolicyMode::Enforce => proto::PolicyMode::Enforce,
            PolicyMode::Audit => proto::PolicyMode::Audit,
            PolicyMode::Permissive => proto::PolicyMode::Permissive,
        }
        .into(),
        grants: policy.grants.iter().map(grant).collect(),
        exempt: Some(exemptions(&policy.exempt)),
        ports: policy
            .protocols
            .iter()
            .map(|(port, hint)| proto::InboundPort { port: (*port).into(), protocol: protocol(*hint).into() })
            .collect(),
        trust_domain: policy.trust_domain.as_ref().map(ToString::to_string).unwrap_or_default(),
        exports: policy.exports.iter().map(export).collect(),
    }
}

fn export(export: &Export) -> proto::Export {
    proto::Export {
        name: Some(object_name(&export.name)),
        ports: export.ports.iter().map(|port| (*port).into()).collect(),
        trust_domains: export.to.iter().map(ToString::to_string).collect(),
    }
}

/// A destination.
pub fn destination(destination: &Destination) -> proto::Destination {
    use proto::destination::Kind;
    let kind = match destination {
        Destination::Service(route) => Kind::Service(service_route(route)),
        Destination::Workload(workload) => Kind::Workload(endpoint(workload)),
        Destination::Unknown => Kind::Unknown(proto::Unit {}),
    };
    proto::Destination { kind: Some(kind) }
}

fn service_route(route: &ServiceRoute) -> proto::ServiceRoute {
    proto::ServiceRoute {
        root: Some(backend(&route.root)),
        protocol: protocol(route.protocol).into(),
        split: route.split.as_ref().map(split),
    }
}

fn split(split: &Split) -> proto::Split {
    let weighted = |(b, weight): &(Backend, u32)| proto::WeightedBackend { backend: Some(backend(b)), weight: *weight };
    proto::Split {
        name: Some(object_name(&split.name)),
        generation: split.generation,
        matches: split.matches.as_deref().map(http_matches),
        backends: split.backends.iter().map(weighted).collect(),
    }
}

fn backend(backend: &Backend) -> proto::Backend {
    proto::Backend {
        service: Some(object_name(&backend.service)),
        port: backend.port.into(),
        endpoints: backend.endpoints.iter().map(endpoint).collect(),
    }
}

/// An endpoint.
pub fn endpoint(endpoint: &Endpoint) -> proto::Endpoint {
    proto::Endpoint {
        address: endpoint.addr.to_string(),
        spiffe_id: endpoint.identity.as_ref().map(ToString::to_string).unwrap_or_default(),
        workload: endpoint.workload.to_string(),
        remote: endpoint.remote.as_ref().map(remote),
        priority: endpoint.priority.into(),
    }
}

fn remote(remote: &Remote) -> proto::Remote {
    let Remote { server_name, mesh, stale } = remote;
    proto::Remote { server_name: server_name.to_string(), mesh: mesh.to_string(), stale: *stale }
}

/// What tells an endpoint apart.
pub fn endpoint_key((address, server_name): (SocketAddr, Option<&str>)) -> proto::EndpointKey {
    proto::EndpointKey { address: address.to_string(), server_name: server_name.unwrap_or_default().to_owned() }
}

/// A namespaced name.
pub fn object_name(name: &ObjectName) -> proto::ObjectName {
    proto::ObjectName { namespace: name.namespace.to_string(), name: name.name.to_string() }
}

fn grant(grant: &Grant) -> proto::Grant {
    proto::Grant {
        name: Some(object_name(&grant.name)),
        sources: grant.sources.iter().map(source).collect(),
        tcp: grant.tcp.as_ref().map(port_set),
        udp: grant.udp.as_ref().map(port_set),
        http: match &grant.http {
            HttpScope::Opaque => None,
            HttpScope::Only(matches) => Some(http_matches(matches)),
        },
    }
}

fn source(source: &Source) -> proto::Source {
    match source {
        Source::Identity(id) => proto::Source { spiffe_id: id.to_string(), addresses: None },
        Source::Below(prefix) => proto::Source { spiffe_id: prefix.to_string(), addresses: None },
        Source::Pods(id, addresses) => proto::Source {
            spiffe_id: id.to_string(),
            addresses: Some(proto::Addresses { addresses: addresses.iter().map(ToString::to_string).collect() }),
        },
    }
}

fn port_set(set: &PortSet) -> proto::PortSet {
    match set {
        PortSet::All => proto::PortSet { all: true, ports: Vec::new() },
        PortSet::Only(ports) => proto::PortSet { all: false, ports: ports.iter().map(|p| (*p).into()).collect() },
    }
}

pub(crate) fn http_matches(matches: &[HttpMatch]) -> proto::HttpMatches {
    let one = |m: &HttpMatch| {
        let spec = m.spec();
        let header =
            |(name, value): &(String, String)| proto::HeaderMatch { name: name.clone(), value_regex: value.clone() };
        proto::HttpMatch {
            name: spec.name.clone(),
            path_regex: spec.path_regex.clone(),
            methods: spec.methods.clone(),
            headers: spec.headers.iter().map(header).collect(),
            full_match: spec.full_match,
        }
    };
    proto::HttpMatches { matches: matches.iter().map(one).collect() }
}

fn exemptions(exempt: &Exemptions) -> proto::Exemptions {
    proto::Exemptions {
        ports: exempt.ports.iter().map(|p| (*p).into()).collect(),
        sources: exempt.sources.iter().map(|c| format!("{}/{}", c.addr, c.prefix)).collect(),
        node: exempt.node.iter().map(ToString::to_string).collect(),
        probes: exempt
            .probes
            .iter()
            .map(|(port, path)| proto::Probe { port: (*port).into(), path: path.clone() })
            .collect(),
    }
}

fn protocol(hint: ProtocolHint) -> proto::Protocol {
    match hint {
        ProtocolHint::Detect => proto::Protocol::Detect,
        ProtocolHint::Http1 => proto::Protocol::Http1,
        ProtocolHint::Http2 => proto::Protocol::Http2,
        ProtocolHint::Opaque => proto::Protocol::Opaque,
    }
}
