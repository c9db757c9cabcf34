//! Links between routers that show each other a few addresses, and nothing else.
//!
//! What leaves by a link does so under the link's own address. What arrives by one is let in for the open range alone, or as part of
//! a connection that began here: everything else is refused, whatever routes the other side has. Packets can be lost on purpose, so
//! that tests see what a network can do.

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU32;

use crate::expr::{Cmp, Expr, MetaKey, NatKind, Payload, Reg, Verdict};
use crate::match_address::{Cidr, outside4, within4};
use crate::refuse::rejections;
use crate::ruleset::{ChainType, Family, Hook, Ruleset};

/// The table's name; its family is `ip`.
pub const TABLE: &str = "isthmus_links";
/// Before destination NAT: what is asked for still has the address that was asked for.
const BEFORE_NAT: i32 = -150;
/// Before the destination NAT of Services.
const BEFORE_SERVICES: i32 = -110;
const SOURCE_NAT: i32 = 100;
/// After source NAT: packets are as the other side sees them.
const AFTER_NAT: i32 = 150;
const TCP: u8 = 6;
const NAME_LEN: usize = 16;
/// Bits of the connection-tracking state: established, or related to one that is.
const KNOWN: u32 = 2 | 4;

/// A link to another router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The interface: at most 15 bytes.
    pub name: String,
    /// The address that everything from the other side comes from.
    pub peer: Ipv4Addr,
    /// What goes wrong on it, both ways.
    pub losses: Vec<Loss>,
    /// What is sent by a relay instead.
    pub detours: Vec<Detour>,
}

/// New TCP connections that come from elsewhere than this host go to a relay on it, which can ask the kernel for their destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detour {
    /// Where they were going: an IPv4 range.
    pub range: Cidr,
    /// Only to this port. None: to all.
    pub port: Option<u16>,
    /// The relay; an address of this host.
    pub relay: SocketAddrV4,
}

/// Packets that are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Only TCP to or from this port, as the link sees it. None: everything.
    pub port: Option<u16>,
    /// One packet in so many, by chance; 1 is every packet.
    pub one_in: NonZeroU32,
}

/// The table for these links; applying it replaces the one before. Nothing but the `open` range, which must be IPv4, is reached by them.
pub fn links(links: &[Link], open: Cidr) -> Ruleset {
    let (mut arriving, mut masquerade, mut leaving) = (Vec::new(), Vec::new(), Vec::new());
    let detours = links.iter().flat_map(|link| &link.detours).filter_map(|detour| sent_by(*detour)).collect();
    for link in links {
        let (inward, outward) = (named(MetaKey::IifName, &link.name), named(MetaKey::OifName, &link.name));
        for loss in &link.losses {
            arriving.extend(lost(&inward, *loss));
            leaving.extend(lost(&outward, *loss));
        }
        let new = [&inward[..], &unknown()].concat();
        let forged = [Expr::Payload(Payload::Ip4Source, Reg(0)), Expr::Cmp(Reg(0), Cmp::Ne, link.peer.octets().into())];
        arriving.push([&new[..], &forged, &[Expr::Verdict(Verdict::Drop)]].concat());
        // A range that isn't IPv4 opens nothing.
        arriving.extend(rejections(&[new, outside4(open).unwrap_or_default()].concat()));
        masquerade.push([&outward[..], &[Expr::Masquerade]].concat());
    }
    let mut rules = Ruleset::new(Family::Ip, TABLE);
    rules
        .base_chain("arriving", ChainType::Filter, Hook::Prerouting, BEFORE_NAT, arriving)
        .base_chain("detours", ChainType::Nat, Hook::Prerouting, BEFORE_SERVICES, detours)
        .base_chain("masquerade", ChainType::Nat, Hook::Postrouting, SOURCE_NAT, masquerade)
        .base_chain("leaving", ChainType::Filter, Hook::Postrouting, AFTER_NAT, leaving);
    rules
}

fn named(key: MetaKey, name: &str) -> Vec<Expr> {
    let mut padded = name.as_bytes().to_vec();
    padded.resize(NAME_LEN, 0);
    vec![Expr::Meta(key, Reg(0)), Expr::Cmp(Reg(0), Cmp::Eq, padded)]
}

/// The packet belongs to no connection that is known.
fn unknown() -> [Expr; 3] {
    let zero = 0u32.to_ne_bytes().into();
    [Expr::CtState(Reg(0)), Expr::Mask(Reg(0), KNOWN.to_ne_bytes().into()), Expr::Cmp(Reg(0), Cmp::Eq, zero)]
}

/// The rules by which packets on an interface are lost.
fn lost(interface: &[Expr], loss: Loss) -> Vec<Vec<Expr>> {
    let chance = match loss.one_in.get() {
        1 => Vec::new(),
        many => vec![Expr::Random(many, Reg(0)), Expr::Cmp(Reg(0), Cmp::Eq, 0u32.to_ne_bytes().into())],
    };
    let conditions = match loss.port {
        None => vec![Vec::new()],
        Some(port) => vec![tcp(Payload::SourcePort, port), tcp(Payload::DestinationPort, port)],
    };
    let rule = |condition: Vec<Expr>| [interface, &condition, &chance, &[Expr::Verdict(Verdict::Drop)]].concat();
    conditions.into_iter().map(rule).collect()
}

/// TCP with this port.
fn tcp(field: Payload, port: u16) -> Vec<Expr> {
    let port = [Expr::Payload(field, Reg(0)), Expr::Cmp(Reg(0), Cmp::Eq, port.to_be_bytes().into())];
    [any_tcp(), port].concat()
}

fn any_tcp() -> [Expr; 2] {
    [Expr::Meta(MetaKey::L4Proto, Reg(0)), Expr::Cmp(Reg(0), Cmp::Eq, vec![TCP])]
}

/// None for an IPv6 range.
fn sent_by(detour: Detour) -> Option<Vec<Expr>> {
    let condition = detour.port.map_or_else(|| any_tcp().into(), |port| tcp(Payload::DestinationPort, port));
    let relay = [
        Expr::Load(Reg(0), detour.relay.ip().octets().into()),
        Expr::Load(Reg(1), detour.relay.port().to_be_bytes().into()),
        Expr::Nat4(NatKind::Dnat, Reg(0), Some(Reg(1))),
    ];
    Some([condition, within4(detour.range)?, relay.into()].concat())
}
