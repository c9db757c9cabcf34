//! Messages as the model. What doesn't fit is refused whole: a receiver then keeps what it had.

use std::{fmt::Display, net::SocketAddr, str::FromStr, sync::Arc};

use isthmus_core::{
    destination::{Backend, Destination, DestinationKey, Endpoint, ProtocolHint, Remote, ServiceRoute, Split},
    federation::RemoteName,
    http_match::{HttpMatch, HttpMatchSpec},
    id::{ObjectName, SpiffeId, SpiffePrefix, TrustDomain},
    inbound::{Exemptions, Export, Grant, HttpScope, InboundPolicy, PolicyMode, PortSet, Source},
};

use crate::control::v1 as proto;

/// The sender's message can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// A field that must be there isn't.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field has a value that can't be read.
    #[error("field {field}: {value:?}: {reason}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// An inbound policy.
pub fn inbound(message: proto::InboundPolicy) -> Result<InboundPolicy, InvalidMessage> {
    let mode = match message.mode() {
        proto::PolicyMode::Enforce => PolicyMode::Enforce,
        proto::PolicyMode::Audit => PolicyMode::Audit,
        proto::PolicyMode::Permissive => PolicyMode::Permissive,
    };
    let hint = |p: &proto::InboundPort| Ok((port("ports.port", p.port)?, protocol(p.protocol())));
    Ok(InboundPolicy {
        mode,
        protocols: message.ports.iter().map(hint).collect::<Result<_, _>>()?,
        grants: message.grants.into_iter().map(grant).collect::<Result<_, _>>()?,
        exempt: exemptions(message.exempt.unwrap_or_default())?,
        trust_domain: Some(message.trust_domain)
            .filter(|domain| !domain.is_empty())
            .map(|domain| trust_domain("trust_domain", &domain))
            .transpose()?,
        exports: message.exports.into_iter().map(export).collect::<Result<_, _>>()?,
    })
}

fn export(message: proto::Export) -> Result<Export, InvalidMessage> {
    Ok(Export {
        name: object_name("exports.name", message.name)?,
        ports: message.ports.iter().map(|p| port("exports.ports", *p)).collect::<Result<_, _>>()?,
        to: message
            .trust_domains
            .iter()
            .map(|domain| trust_domain("exports.trust_domains", domain))
            .collect::<Result<_, _>>()?,
    })
}

fn trust_domain(field: &'static str, name: &str) -> Result<TrustDomain, InvalidMessage> {
    TrustDomain::new(name).map_err(|error| invalid(field, name, &error.to_string()))
}

/// A destination.
pub fn destination(message: proto::Destination) -> Result<Destination, InvalidMessage> {
    use proto::destination::Kind;
    Ok(match message.kind.ok_or(InvalidMessage::Missing("destination.kind"))? {
        Kind::Service(route) => Destination::Service(service_route(route)?),
        Kind::Workload(workload) => Destination::Workload(endpoint(workload)?),
        Kind::Unknown(_) => Destination::Unknown,
    })
}

/// The key of a destination.
pub fn destination_key(message: &proto::DestinationKey) -> Result<DestinationKey, InvalidMessage> {
    if message.host.is_empty() || message.host.len() > 253 {
        return Err(invalid("key.host", &message.host, "must have 1 to 253 bytes"));
    }
    Ok(DestinationKey { host: message.host.to_ascii_lowercase().into(), port: port("key.port", message.port)? })
}

/// An endpoint.
pub fn endpoint(message: proto::Endpoint) -> Result<Endpoint, InvalidMessage> {
    let id = Some(&message.spiffe_id).filter(|id| !id.is_empty());
    if id.is_none() && message.remote.is_some() {
        // Plaintext to a gateway would be for anybody on the way.
        return Err(invalid("endpoint.spiffe_id", "", "must be there for an endpoint of another mesh"));
    }
    Ok(Endpoint {
        addr: parse("endpoint.address", &message.address)?,
        identity: id.map(|id| parse("endpoint.spiffe_id", id)).transpose()?,
        workload: message.workload.into(),
        remote: message.remote.map(remote).transpose()?,
        priority: u8::try_from(message.priority)
            .map_err(|_| invalid("endpoint.priority", &message.priority.to_string(), "must be from 0 to 255"))?,
    })
}

fn remote(message: proto::Remote) -> Result<Remote, InvalidMessage> {
    // It is sent as it is written, so it must be the one way to write it.
    let name: RemoteName = parse("endpoint.remote.server_name", &message.server_name)?;
    let mesh = parse("endpoint.remote.mesh", &message.mesh)?;
    if name.mesh != mesh {
        return Err(invalid("endpoint.remote.mesh", &message.mesh, "must be the one that the server name is of"));
    }
    Ok(Remote { server_name: name.to_string().into(), mesh, stale: message.stale })
}

/// What tells an endpoint apart.
pub(crate) fn endpoint_key(message: proto::EndpointKey) -> Result<(SocketAddr, Option<String>), InvalidMessage> {
    let server_name = Some(message.server_name).filter(|name| !name.is_empty());
    Ok((parse("endpoint.address", &message.address)?, server_name))
}

/// A namespaced name.
pub fn object_name(field: &'static str, name: Option<proto::ObjectName>) -> Result<ObjectName, InvalidMessage> {
    let name = name.ok_or(InvalidMessage::Missing(field))?;
    Ok(ObjectName::new(name.namespace, name.name))
}

/// A port: 1 to 65535.
pub fn port(field: &'static str, value: u32) -> Result<u16, InvalidMessage> {
    u16::try_from(value)
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| invalid(field, &value.to_string(), "must be a port from 1 to 65535"))
}

fn service_route(message: proto::ServiceRoute) -> Result<ServiceRoute, InvalidMessage> {
    Ok(ServiceRoute {
        protocol: protocol(message.protocol()),
        root: backend(message.root.ok_or(InvalidMessage::Missing("service.root"))?)?,
        split: message.split.map(split).transpose()?,
    })
}

fn split(message: proto::Split) -> Result<Split, InvalidMessage> {
    let weighted = |w: proto::WeightedBackend| {
        Ok((backend(w.backend.ok_or(InvalidMessage::Missing("split.backends.backend"))?)?, w.weight))
    };
    Ok(Split {
        name: object_name("split.name", message.name)?,
        generation: message.generation,
        matches: message.matches.map(http_matches).transpose()?,
        backends: message.backends.into_iter().map(weighted).collect::<Result<_, _>>()?,
    })
}

fn backend(message: proto::Backend) -> Result<Backend, InvalidMessage> {
    Ok(Backend {
        service: object_name("backend.service", message.service)?,
        port: port("backend.port", message.port)?,
        endpoints: message.endpoints.into_iter().map(endpoint).collect::<Result<Arc<[_]>, _>>()?,
    })
}

fn grant(message: proto::Grant) -> Result<Grant, InvalidMessage> {
    Ok(Grant {
        name: object_name("grant.name", message.name)?,
        sources: message.sources.into_iter().map(source).collect::<Result<_, _>>()?,
        tcp: message.tcp.map(port_set).transpose()?,
        udp: message.udp.map(port_set).transpose()?,
        http: message.http.map_or(Ok(HttpScope::Opaque), |m| http_matches(m).map(HttpScope::Only))?,
    })
}

fn source(message: proto::Source) -> Result<Source, InvalidMessage> {
    if message.spiffe_id.ends_with('*') {
        return parse::<SpiffePrefix>("source.spiffe_id", &message.spiffe_id).map(Source::Below);
    }
    let id: SpiffeId = parse("source.spiffe_id", &message.spiffe_id)?;
    let Some(list) = message.addresses else { return Ok(Source::Identity(id)) };
    let addresses = list.addresses.iter().map(|a| parse("source.addresses", a)).collect::<Result<_, _>>()?;
    Ok(Source::Pods(id, addresses))
}

fn port_set(message: proto::PortSet) -> Result<PortSet, InvalidMessage> {
    if message.all {
        return Ok(PortSet::All);
    }
    message.ports.iter().map(|p| port("ports", *p)).collect::<Result<_, _>>().map(PortSet::Only)
}

pub(crate) fn http_matches(message: proto::HttpMatches) -> Result<Vec<HttpMatch>, InvalidMessage> {
    let one = |m: proto::HttpMatch| {
        let name = m.name.clone();
        let headers = m.headers.into_iter().map(|h| (h.name, h.value_regex)).collect();
        let (methods, path_regex, full_match) = (m.methods, m.path_regex, m.full_match);
        HttpMatch::compile(HttpMatchSpec { name: m.name, path_regex, methods, headers, full_match })
            .map_err(|error| invalid("matches", &name, &error.to_string()))
    };
    message.matches.into_iter().map(one).collect()
}

fn exemptions(message: proto::Exemptions) -> Result<Exemptions, InvalidMessage> {
    let probe = |p: proto::Probe| Ok((port("probes.port", p.port)?, p.path));
    Ok(Exemptions {
        ports: message.ports.iter().map(|p| port("exempt.ports", *p)).collect::<Result<_, _>>()?,
        sources: message.sources.iter().map(|s| parse("exempt.sources", s)).collect::<Result<_, _>>()?,
        node: message.node.iter().map(|s| parse("exempt.node", s)).collect::<Result<_, _>>()?,
        probes: message.probes.into_iter().map(probe).collect::<Result<_, _>>()?,
    })
}

fn protocol(protocol: proto::Protocol) -> ProtocolHint {
    match protocol {
        proto::Protocol::Detect => ProtocolHint::Detect,
        proto::Protocol::Http1 => ProtocolHint::Http1,
        proto::Protocol::Http2 => ProtocolHint::Http2,
        proto::Protocol::Opaque => ProtocolHint::Opaque,
    }
}

pub(crate) fn parse<T: FromStr<Err: Display>>(field: &'static str, value: &str) -> Result<T, InvalidMessage> {
    value.parse().map_err(|error: T::Err| invalid(field, value, &error.to_string()))
}

pub(crate) fn invalid(field: &'static str, value: &str, reason: &str) -> InvalidMessage {
    InvalidMessage::Value { field, value: value.chars().take(100).collect(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
