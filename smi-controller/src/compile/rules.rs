//! What the rules of a target grant. A rule that can't be resolved adds nothing and never widens another (smi.md §5
//! A4, A16, A17).

use std::collections::BTreeSet;

use isthmus_core::{
    broken::{self, Fault},
    http_match::HttpMatch,
    inbound::{HttpScope, PortSet},
};

use super::Reader;
use crate::{
    fault::Kind,
    index::{Group, Rule},
};

/// Ports and requests that a target's rules add up to.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) tcp: Option<PortSet>,
    pub(super) udp: Option<PortSet>,
    pub(super) http: HttpScope,
}

/// With a rule about HTTP, its requests are granted on the TCPRoutes' ports, or on all when no TCPRoute is named;
/// without one, the TCPRoutes' ports are granted to any bytes, HTTP among them (§5 A4). A port of the target itself
/// narrows all of it.
pub(super) fn resolve(reader: &Reader<'_>, rules: &[Rule], port: Option<u16>) -> Granted {
    let (mut tcp, mut udp) = (None, None);
    let mut matches: Vec<HttpMatch> = Vec::new();
    let (mut names_http, mut names_tcp) = (false, false);
    for rule in rules {
        match rule {
            Rule::Http(name, entries) => {
                names_http = true;
                if let Some(group) = reader.group(name) {
                    reader.uses(Kind::HttpRouteGroup, group);
                    matches.extend(chosen(&group.content, entries.as_deref()));
                }
            }
            Rule::Tcp(name) => {
                names_tcp = true;
                if let Some(route) = reader.tcp_route(name) {
                    reader.uses(Kind::TcpRoute, route);
                    add(&mut tcp, &route.content.ports);
                }
            }
            Rule::Udp(name) => {
                if let Some(route) = reader.udp_route(name) {
                    reader.uses(Kind::UdpRoute, route);
                    add(&mut udp, &route.content.ports);
                }
            }
            Rule::Unknown => names_http = true,
        }
    }
    if names_http && !names_tcp {
        tcp = Some(PortSet::All);
    }
    if let Some(port) = port {
        (tcp, udp) = (narrow(tcp, port), narrow(udp, port));
    }
    let nothing = tcp.is_none() || (names_http && matches.is_empty());
    let http = if names_http { HttpScope::Only(matches) } else { HttpScope::Opaque };
    if wrongly_opaque(rules, names_http && names_tcp, nothing) {
        return Granted { tcp: tcp.or(Some(PortSet::All)), udp, http: HttpScope::Opaque };
    }
    Granted { tcp, udp, http }
}

/// In a mesh that is broken on purpose.
fn wrongly_opaque(rules: &[Rule], names_both: bool, nothing: bool) -> bool {
    (broken::is(Fault::EmptyRulesAllow) && rules.is_empty())
        || (broken::is(Fault::MissingRouteOpens) && nothing && !rules.is_empty())
        || (broken::is(Fault::PortsOrRoutes) && names_both)
}

/// All matches of the group, or those named: every one that has the name (§5 A18).
fn chosen(group: &Group, names: Option<&[String]>) -> Vec<HttpMatch> {
    let names = if broken::is(Fault::MatchNamesIgnored) { None } else { names };
    let names = if broken::is(Fault::NoMatchesNothing) { names.or(Some(&[])) } else { names };
    let wanted = |name: &String| names.is_none_or(|names| names.contains(name));
    group.entries.iter().filter(|entry| wanted(&entry.name)).filter_map(|entry| entry.compiled.clone()).collect()
}

fn narrow(set: Option<PortSet>, port: u16) -> Option<PortSet> {
    set.filter(|set| set.contains(port)).map(|_| PortSet::Only(BTreeSet::from([port])))
}

fn add(set: &mut Option<PortSet>, more: &PortSet) {
    let more = if broken::is(Fault::PortsIgnored) { &PortSet::All } else { more };
    *set = Some(match (set.take(), more) {
        (Some(PortSet::All), _) | (_, PortSet::All) => PortSet::All,
        (None, PortSet::Only(ports)) => PortSet::Only(ports.clone()),
        (Some(PortSet::Only(had)), PortSet::Only(ports)) => {
            PortSet::Only(had.into_iter().chain(ports.iter().copied()).collect::<BTreeSet<u16>>())
        }
    });
}
