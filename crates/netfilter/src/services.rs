//! Services' addresses for a node: each address and port of a Service becomes one of its endpoints.
//!
//! One map leads from (address, protocol, port) to a chain that draws a number, a second from there and the number to the endpoint;
//! a chain serves all Service ports with equally many endpoints, so that a change costs a few dozen bytes by endpoint. Service ports
//! without any are in a set, and refused. A pod that reaches itself through its Service would drop a packet from its own address: a
//! set of (endpoint, endpoint) pairs tells whose source must be rewritten.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::expr::{Cmp, Expr, MetaKey, NatKind, Payload, Reg, Verdict};
use crate::match_address::{Cidr, LOCAL, within4};
use crate::refuse::rejections;
use crate::ruleset::{ChainType, Element, Family, Hook, Ruleset, Set, SetData};

/// The table's name; its family is `ip`.
pub const TABLE: &str = "isthmus_services";
const DESTINATION_NAT: i32 = -100;
const SOURCE_NAT: i32 = 100;
const FILTER: i32 = 0;
/// Before destination NAT, so that what has no endpoint is refused by its ClusterIP.
const BEFORE_NAT: i32 = -150;

/// The transport protocol of a [`ServicePort`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        }
    }
}

/// One port of one Service, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// The Service's address and port.
    pub address: SocketAddrV4,
    /// Its protocol.
    pub protocol: Protocol,
    /// The endpoints; each gets the same share of new connections. Empty: connections are refused.
    pub endpoints: Vec<SocketAddrV4>,
}

/// The table for these Service ports; applying it replaces the one before, and leaves open connections alone. Of two entries with the
/// same address, port and protocol the last one holds. What goes to any other address or port of the `ranges` (those of all Services'
/// addresses), and isn't this host itself, is refused too; the ranges must be IPv4.
pub fn services(ports: &[ServicePort], ranges: &[Cidr]) -> Ruleset {
    let ports: BTreeMap<_, _> = ports.iter().map(|port| ((port.address, port.protocol), port)).collect();
    let (served, empty): (Vec<_>, Vec<_>) = ports.into_values().partition(|port| !port.endpoints.is_empty());

    let counts: BTreeSet<usize> = served.iter().map(|port| port.endpoints.len()).collect();

    let mut rules = Ruleset::new(Family::Ip, TABLE);
    rules
        .set(Set {
            name: "vips".into(),
            key_len: 12,
            data: SetData::Verdict,
            elements: served
                .iter()
                .map(|port| Element::Verdict(key(port), Verdict::Goto(chain(port.endpoints.len()))))
                .collect(),
        })
        .set(Set {
            name: "endpoints".into(),
            key_len: 16,
            data: SetData::Value(8),
            elements: served.iter().flat_map(|port| endpoints(port)).collect(),
        })
        .set(Set {
            name: "empty".into(),
            key_len: 12,
            data: SetData::None,
            elements: empty.iter().map(|port| Element::Key(key(port))).collect(),
        })
        .set(hairpins(&served));
    for count in counts {
        rules.chain(chain(count), vec![draw(count)]);
    }
    let to_service = || vec![[vip(), vec![Expr::VerdictMap("vips".into(), Reg(0))]].concat()];
    let refuse = || rejections(&[vip(), vec![Expr::InSet("empty".into(), Reg(0))]].concat());
    let masquerade = vec![
        Expr::Payload(Payload::Ip4Source, Reg(0)),
        Expr::Payload(Payload::Ip4Destination, Reg(1)),
        Expr::InSet("hairpins".into(), Reg(0)),
        Expr::Masquerade,
    ];
    rules
        .base_chain("refuse_arriving", ChainType::Filter, Hook::Prerouting, BEFORE_NAT, refuse())
        .base_chain("refuse_local", ChainType::Filter, Hook::Output, BEFORE_NAT, refuse())
        .base_chain("arriving", ChainType::Nat, Hook::Prerouting, DESTINATION_NAT, to_service())
        .base_chain("local", ChainType::Nat, Hook::Output, DESTINATION_NAT, to_service())
        .base_chain("unknown_passing", ChainType::Filter, Hook::Forward, FILTER, unknown(ranges))
        .base_chain("unknown_local", ChainType::Filter, Hook::Output, FILTER, unknown(ranges))
        .base_chain("leaving", ChainType::Nat, Hook::Postrouting, SOURCE_NAT, vec![masquerade]);
    rules
}

/// Refuses what is still for one of the ranges after destination NAT.
fn unknown(ranges: &[Cidr]) -> Vec<Vec<Expr>> {
    let foreign = [Expr::DestinationKind(Reg(0)), Expr::Cmp(Reg(0), Cmp::Ne, LOCAL.to_ne_bytes().into())];
    let within = ranges.iter().filter_map(|range| within4(*range));
    within.flat_map(|within| rejections(&[within, foreign.clone().into()].concat())).collect()
}

/// The name of the chain for Service ports with so many endpoints.
fn chain(count: usize) -> String {
    format!("one-of-{count}")
}

/// Draws a number, finds the endpoint of that number, and goes there.
fn draw(count: usize) -> Vec<Expr> {
    let mut rule = vip();
    rule.extend([
        Expr::Random(u32::try_from(count).unwrap_or(u32::MAX), Reg(3)),
        Expr::Map("endpoints".into(), Reg(0), Reg(0)),
        Expr::Nat4(NatKind::Dnat, Reg(0), Some(Reg(1))),
    ]);
    rule
}

/// Loads (destination, protocol, port) into registers 0 to 2.
fn vip() -> Vec<Expr> {
    vec![
        Expr::Payload(Payload::Ip4Destination, Reg(0)),
        Expr::Meta(MetaKey::L4Proto, Reg(1)),
        Expr::Payload(Payload::DestinationPort, Reg(2)),
    ]
}

/// The endpoints of a Service port, by (address, protocol, port, number).
fn endpoints(port: &ServicePort) -> impl Iterator<Item = Element> {
    (0u32..).zip(&port.endpoints).map(|(number, endpoint)| {
        let mut key = key(port);
        key.extend(number.to_ne_bytes());
        Element::Value(key, destination(*endpoint))
    })
}

fn key(port: &ServicePort) -> Vec<u8> {
    let mut key = port.address.ip().octets().to_vec();
    key.extend([port.protocol.number(), 0, 0, 0]);
    key.extend(port.address.port().to_be_bytes());
    key.extend([0, 0]);
    key
}

fn destination(endpoint: SocketAddrV4) -> Vec<u8> {
    let mut data = endpoint.ip().octets().to_vec();
    data.extend(endpoint.port().to_be_bytes());
    data.extend([0, 0]);
    data
}

fn hairpins(served: &[&ServicePort]) -> Set {
    let addresses: BTreeSet<Ipv4Addr> =
        served.iter().flat_map(|port| &port.endpoints).map(|endpoint| *endpoint.ip()).collect();
    let elements =
        addresses.iter().map(|address| Element::Key([address.octets(), address.octets()].concat())).collect();
    Set { name: "hairpins".into(), key_len: 8, data: SetData::None, elements }
}
