//! The protocol's form of a catalog. What doesn't fit is refused whole: a receiver then keeps what it had.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    net::SocketAddr,
    str::FromStr,
    sync::Arc,
};

use isthmus_api::federation::v1 as proto;
use isthmus_core::{
    federation::{GatewayAddress, Host, Token, is_abroad},
    id::{ObjectName, TrustDomain},
};

use super::{Endpoint, Exports, Port, Service};
use crate::{
    limits::{MAX_ENDPOINTS, MAX_GATEWAYS, MAX_PORTS, MAX_SERVICES},
    names::is_label,
};

/// What is said of an address that means the caller's own host, or no single one.
const NOT_ABROAD: &str = "it is no address of another mesh";
/// Longest name of a namespace, a Service, a port or a protocol in bytes.
const MAX_NAME: usize = 253;

/// The message can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadMessage {
    /// It isn't of the contract.
    #[error("the message can't be read: {0}")]
    Unreadable(String),
    /// A field that must be there isn't.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field has a value that can't be read.
    #[error("field {field}: {value:?}: {reason}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it holds; the first hundred characters.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is more than allowed.
    #[error("{found} {what}; at most {limit} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// There are.
        found: usize,
        /// Allowed.
        limit: usize,
    },
    /// Something is there twice.
    #[error("{what} {name:?} is there twice")]
    Twice {
        /// What.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

/// A catalog for the wire. Equal catalogs have equal encodings.
pub fn exports(exports: &Exports) -> proto::Exports {
    proto::Exports {
        services: exports.services.iter().map(|(name, s)| service(name, s)).collect(),
        gateways: addresses(&exports.gateways),
    }
}

/// Would a receiver take so much?
pub fn check(exports: &Exports) -> Result<(), BadMessage> {
    within("services", exports.services.len(), MAX_SERVICES)?;
    within("gateways", exports.gateways.len(), MAX_GATEWAYS)?;
    for service in exports.services.values() {
        within("ports of a service", service.ports.len(), MAX_PORTS)?;
        within("endpoints of a service", service.endpoints.len(), MAX_ENDPOINTS)?;
    }
    Ok(())
}

/// A catalog from the wire.
pub fn read_exports(message: proto::Exports) -> Result<Exports, BadMessage> {
    within("services", message.services.len(), MAX_SERVICES)?;
    let gateways = read_gateways(&message.gateways)?;
    let services =
        collect("service", message.services.into_iter().map(|s| read_service(s).map(|(name, s)| (name, Arc::new(s)))))?;
    Ok(Exports { services, gateways })
}

pub(super) fn service(name: &ObjectName, service: &Service) -> proto::Service {
    let port = |(number, port): (&u16, &Port)| proto::Port {
        port: (*number).into(),
        name: port.name.clone(),
        app_protocol: port.app_protocol.clone(),
    };
    proto::Service {
        namespace: name.namespace.to_string(),
        name: name.name.to_string(),
        created_at: service.created_at,
        ports: service.ports.iter().map(port).collect(),
        endpoints: service.endpoints.iter().map(|(token, e)| endpoint(token, e)).collect(),
    }
}

pub(super) fn endpoint(token: &Token, endpoint: &Endpoint) -> proto::Endpoint {
    let flat =
        |(port, address): (&u16, &SocketAddr)| proto::Flat { port: (*port).into(), address: address.to_string() };
    proto::Endpoint {
        token: token.to_string(),
        spiffe_id: endpoint.spiffe_id.to_string(),
        ready: endpoint.ready.iter().map(|port| (*port).into()).collect(),
        flat: endpoint.flat.iter().map(flat).collect(),
    }
}

pub(super) fn addresses<'a>(addresses: impl IntoIterator<Item = &'a GatewayAddress>) -> Vec<String> {
    addresses.into_iter().map(ToString::to_string).collect()
}

pub(super) fn read_gateways(addresses: &[String]) -> Result<BTreeSet<GatewayAddress>, BadMessage> {
    within("gateways", addresses.len(), MAX_GATEWAYS)?;
    addresses.iter().map(|text| gateway("gateways", text)).collect()
}

pub(super) fn read_service(message: proto::Service) -> Result<(ObjectName, Service), BadMessage> {
    within("ports of a service", message.ports.len(), MAX_PORTS)?;
    within("endpoints of a service", message.endpoints.len(), MAX_ENDPOINTS)?;
    let read_port = |p: proto::Port| {
        let fields =
            Port { name: name("port.name", p.name)?, app_protocol: name("port.app_protocol", p.app_protocol)? };
        Ok((port("port.port", p.port)?, fields))
    };
    let service = Service {
        created_at: message.created_at,
        ports: collect("port", message.ports.into_iter().map(read_port))?,
        endpoints: collect("endpoint", message.endpoints.into_iter().map(read_endpoint))?,
    };
    Ok((object_name(message.namespace, message.name)?, service))
}

pub(super) fn read_endpoint(message: proto::Endpoint) -> Result<(Token, Endpoint), BadMessage> {
    within("ready ports of an endpoint", message.ready.len(), MAX_PORTS)?;
    within("addresses of an endpoint", message.flat.len(), MAX_PORTS)?;
    let flat = |f: proto::Flat| Ok((port("flat.port", f.port)?, address("flat.address", &f.address)?));
    let endpoint = Endpoint {
        spiffe_id: parse("endpoint.spiffe_id", &message.spiffe_id)?,
        ready: message.ready.iter().map(|p| port("endpoint.ready", *p)).collect::<Result<_, _>>()?,
        flat: collect("address of port", message.flat.into_iter().map(flat))?,
    };
    Ok((parse("endpoint.token", &message.token)?, endpoint))
}

pub(crate) fn object_name(namespace: String, object: String) -> Result<ObjectName, BadMessage> {
    // They come into DNS names and the names of objects here.
    let label = |field: &'static str, text: String| {
        if is_label(&text) {
            Ok(text)
        } else {
            Err(bad(field, &text, "must be a DNS label: 1 to 63 of a-z, 0-9 and -"))
        }
    };
    Ok(ObjectName::new(label("namespace", namespace)?, label("name", object)?))
}

/// A port: 1 to 65535.
pub(crate) fn port(field: &'static str, value: u32) -> Result<u16, BadMessage> {
    let port = u16::try_from(value).ok().filter(|port| *port != 0);
    port.ok_or_else(|| bad(field, &value.to_string(), "must be a port from 1 to 65535"))
}

pub(crate) fn parse<T: FromStr<Err: Display>>(field: &'static str, value: &str) -> Result<T, BadMessage> {
    value.parse().map_err(|error: T::Err| bad(field, value, &error.to_string()))
}

/// An address in another mesh. One that means the caller's own host, or no single one, is none.
fn address(field: &'static str, value: &str) -> Result<SocketAddr, BadMessage> {
    let address: SocketAddr = parse(field, value)?;
    if is_abroad(address.ip()) && address.port() != 0 { Ok(address) } else { Err(bad(field, value, NOT_ABROAD)) }
}

/// A gateway of another mesh: by such an address, or by a name, whose addresses are looked at when it is looked up.
fn gateway(field: &'static str, value: &str) -> Result<GatewayAddress, BadMessage> {
    let gateway: GatewayAddress = parse(field, value)?;
    match gateway.host {
        Host::Ip(ip) if !is_abroad(ip) => Err(bad(field, value, NOT_ABROAD)),
        _ => Ok(gateway),
    }
}

/// A trust domain.
pub(crate) fn trust_domain(field: &'static str, value: &str) -> Result<TrustDomain, BadMessage> {
    TrustDomain::new(value).map_err(|error| bad(field, value, &error.to_string()))
}

pub(crate) fn bad(field: &'static str, value: &str, reason: &str) -> BadMessage {
    BadMessage::Value { field, value: value.chars().take(100).collect(), reason: reason.to_owned() }
}

pub(crate) fn within(what: &'static str, found: usize, limit: usize) -> Result<(), BadMessage> {
    if found > limit { Err(BadMessage::TooMany { what, found, limit }) } else { Ok(()) }
}

fn name(field: &'static str, text: String) -> Result<String, BadMessage> {
    let fits = text.len() <= MAX_NAME && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(text) } else { Err(bad(field, &text, "must be at most 253 printable ASCII characters")) }
}

fn collect<K: Ord + Display, V>(
    what: &'static str,
    items: impl Iterator<Item = Result<(K, V), BadMessage>>,
) -> Result<BTreeMap<K, V>, BadMessage> {
    let mut map = BTreeMap::new();
    for item in items {
        let (key, value) = item?;
        if map.contains_key(&key) {
            return Err(BadMessage::Twice { what, name: key.to_string() });
        }
        map.insert(key, value);
    }
    Ok(map)
}
