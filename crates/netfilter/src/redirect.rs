//! A pod's traffic through its proxy.
//!
//! Arriving TCP goes to the inbound port, departing TCP to the outbound port, but for what the proxy itself sends: it is known by
//! its user, by its socket mark (`SO_MARK`, for namespaces with a single user), or by both.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::error::Error;
use crate::expr::{Cmp, Expr, MetaKey, Payload, Reg, Verdict};
use crate::match_address::{Cidr, LOCAL, within};
use crate::ruleset::{ChainType, Element, Family, Hook, Ruleset, Set, SetData, remove_table};

/// The table's name; its family is `inet`.
pub const TABLE: &str = "isthmus_redirect";
/// `NF_IP_PRI_NAT_DST`.
const DESTINATION_NAT: i32 = -100;
const TCP: u8 = 6;
const R0: Reg = Reg(0);

/// What goes through the proxy, and what doesn't.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectConfig {
    /// Where arriving TCP goes.
    pub inbound_port: u16,
    /// Where departing TCP goes.
    pub outbound_port: u16,
    /// The user that the proxy runs as; what it sends isn't redirected. None where users can't be told apart.
    pub proxy_uid: Option<u32>,
    /// The mark of the proxy's sockets; the same as `proxy_uid` by other means. A socket needs CAP_NET_ADMIN or CAP_NET_RAW to set one.
    pub proxy_mark: Option<u32>,
    /// What the proxy sends to this pod's own address (not loopback) goes to the inbound port, as it would from any other pod: a pod that
    /// calls its own Service is then a client like others. The proxy must then reach its app by a loopback address, or with
    /// `bypass_mark`.
    pub own_address_inbound: bool,
    /// Sockets with this mark are never redirected.
    pub bypass_mark: Option<u32>,
    /// Destination ports of arriving connections that reach the app as they are.
    pub skip_inbound_ports: Vec<u16>,
    /// Destination ports of departing connections that leave as they are.
    pub skip_outbound_ports: Vec<u16>,
    /// Destinations of departing connections that leave as they are. Loopback always does.
    pub skip_outbound_cidrs: Vec<Cidr>,
}

/// The table that redirects as the configuration says; applying it again replaces it.
pub fn redirect(config: &RedirectConfig) -> Ruleset {
    let mut rules = Ruleset::new(Family::Inet, TABLE);
    rules
        .set(ports("skip_inbound", &config.skip_inbound_ports))
        .set(ports("skip_outbound", &config.skip_outbound_ports))
        .base_chain("inbound", ChainType::Nat, Hook::Prerouting, DESTINATION_NAT, inbound(config))
        .base_chain("outbound", ChainType::Nat, Hook::Output, DESTINATION_NAT, outbound(config))
        .chain("own_address", own_address(config));
    rules
}

/// Takes the redirect away again; it need not be there.
///
/// # Errors
/// As [`Ruleset::apply`].
pub fn remove_redirect() -> Result<(), Error> {
    remove_table(Family::Inet, TABLE)
}

fn inbound(config: &RedirectConfig) -> Vec<Vec<Expr>> {
    vec![
        skip(not_tcp()),
        skip(interface(MetaKey::IifName, Cmp::Eq)),
        skip(vec![Expr::DestinationKind(R0), Expr::Cmp(R0, Cmp::Ne, LOCAL.to_ne_bytes().into())]),
        skip(port_in("skip_inbound")),
        to_port(config.inbound_port),
    ]
}

fn outbound(config: &RedirectConfig) -> Vec<Vec<Expr>> {
    let mut rules = vec![skip(not_tcp())];
    rules.extend(loopback().map(skip));
    rules.extend(config.bypass_mark.map(|mark| skip(host_word(MetaKey::Mark, mark))));
    let uid = config.proxy_uid.map(|uid| host_word(MetaKey::SkUid, uid));
    let mark = config.proxy_mark.map(|mark| host_word(MetaKey::Mark, mark));
    rules.extend(uid.into_iter().chain(mark).map(|mut own| {
        own.push(Expr::Verdict(Verdict::Goto("own_address".into())));
        own
    }));
    rules.push(skip(port_in("skip_outbound")));
    rules.extend(config.skip_outbound_cidrs.iter().map(|cidr| skip(within(*cidr))));
    rules.push(to_port(config.outbound_port));
    rules
}

/// What the proxy sends: away as it is, or to the pod's own address like a stranger's.
fn own_address(config: &RedirectConfig) -> Vec<Vec<Expr>> {
    if !config.own_address_inbound {
        return Vec::new();
    }
    vec![skip(interface(MetaKey::OifName, Cmp::Ne)), skip(port_in("skip_inbound")), to_port(config.inbound_port)]
}

/// The condition, and then back to the chain's policy: accept.
fn skip(mut condition: Vec<Expr>) -> Vec<Expr> {
    condition.push(Expr::Verdict(Verdict::Return));
    condition
}

fn to_port(port: u16) -> Vec<Expr> {
    vec![Expr::Load(R0, port.to_be_bytes().into()), Expr::Redirect(R0)]
}

fn not_tcp() -> Vec<Expr> {
    vec![Expr::Meta(MetaKey::L4Proto, R0), Expr::Cmp(R0, Cmp::Ne, vec![TCP])]
}

fn host_word(key: MetaKey, word: u32) -> Vec<Expr> {
    vec![Expr::Meta(key, R0), Expr::Cmp(R0, Cmp::Eq, word.to_ne_bytes().into())]
}

/// Compares an interface's name with `lo`.
fn interface(key: MetaKey, cmp: Cmp) -> Vec<Expr> {
    let mut name = b"lo".to_vec();
    name.resize(16, 0);
    vec![Expr::Meta(key, R0), Expr::Cmp(R0, cmp, name)]
}

fn port_in(set: &str) -> Vec<Expr> {
    vec![Expr::Payload(Payload::DestinationPort, R0), Expr::InSet(set.into(), R0)]
}

fn loopback() -> [Vec<Expr>; 2] {
    let v4 = Cidr { address: IpAddr::from([127, 0, 0, 0]), prefix: 8 };
    let v6 = Cidr { address: IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1u16]), prefix: 128 };
    [within(v4), within(v6)]
}

fn ports(name: &str, ports: &[u16]) -> Set {
    let mut ports = ports.to_vec();
    ports.sort_unstable();
    ports.dedup();
    let elements = ports.iter().map(|port| Element::Key(port.to_be_bytes().into())).collect();
    Set { name: name.into(), key_len: 2, data: SetData::None, elements }
}
