//! The decision at the callee: may this peer do this?
//!
//! Denied by default; grants only add; a request is allowed when any one grant covers source, port and route
//! (smi.md §1.1, §5 A4, A19, A20, A25).

use std::net::IpAddr;

use crate::{
    broken::{self, Fault},
    deny::DenyCode,
    http_match::HttpRequest,
    id::{ObjectName, SpiffeId},
    inbound::{Grant, HttpScope, InboundPolicy, PolicyMode, Source},
};

/// Who is calling.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'a> {
    /// The verified identity; `None` for plaintext.
    pub identity: Option<&'a SpiffeId>,
    /// The address that the connection came from.
    pub addr: IpAddr,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// One HTTP request.
    Http(HttpRequest<'a>),
    /// A TCP connection with unknown content.
    Tcp,
    /// A UDP flow.
    Udp,
}

/// What let a request through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed<'a> {
    /// This TrafficTarget.
    Grant(&'a ObjectName),
    /// A probe of the pod's own kubelet.
    Probe,
    /// A plaintext exemption by annotation.
    Exempt,
    /// The policy mode is permissive.
    Permissive,
    /// The policy mode is audit; in enforce it would have been denied for this reason.
    Audit(DenyCode),
}

/// Decides. `port` is the container port that the peer connected to.
pub fn authorize<'a>(
    policy: &'a InboundPolicy,
    peer: Peer<'_>,
    port: u16,
    asked: Asked<'_>,
) -> Result<Allowed<'a>, DenyCode> {
    within_reach(policy, peer, port)?;
    if policy.mode == PolicyMode::Permissive {
        return Ok(Allowed::Permissive);
    }
    if is_probe(policy, peer, port, asked) {
        return Ok(Allowed::Probe);
    }
    let needs_none = broken::is(Fault::TcpAllowed) && matches!(asked, Asked::Tcp);
    if needs_none || broken::is(Fault::NoAuthorization) || is_waved_through(policy, peer) {
        return Ok(Allowed::Permissive);
    }
    let decision = match peer.identity {
        Some(identity) => by_grants(&policy.grants, identity, peer.addr, port, asked).map(Allowed::Grant),
        None if is_exempt(policy, peer, port) => Ok(Allowed::Exempt),
        None => Err(DenyCode::NoIdentity),
    };
    match (decision, policy.mode) {
        (Err(code), PolicyMode::Audit) => Ok(Allowed::Audit(code)),
        (decision, _) => decision,
    }
}

/// Could any request of this peer on this port be allowed? `Err` says that none can, so that a connection may be
/// closed when a policy change has left it nothing (smi.md §5 A34).
pub fn could_be_allowed(policy: &InboundPolicy, peer: Peer<'_>, port: u16, http: bool) -> Result<(), DenyCode> {
    if !http {
        return authorize(policy, peer, port, Asked::Tcp).map(drop);
    }
    within_reach(policy, peer, port)?;
    if policy.mode != PolicyMode::Enforce || is_exempt(policy, peer, port) || broken::is(Fault::NoAuthorization) {
        return Ok(());
    }
    if is_waved_through(policy, peer) {
        return Ok(());
    }
    let Some(identity) = peer.identity else {
        let probed = policy.exempt.node.contains(&peer.addr.to_canonical())
            && policy.exempt.probes.iter().any(|(p, _)| *p == port);
        return if probed { Ok(()) } else { Err(DenyCode::NoIdentity) };
    };
    let mut nearest = DenyCode::NoGrant;
    for grant in policy.grants.iter().filter(|g| names(g, identity, peer.addr)) {
        let routed = !matches!(&grant.http, HttpScope::Only(matches) if matches.is_empty());
        match &grant.tcp {
            Some(ports) if ports.contains(port) && routed => return Ok(()),
            Some(ports) if ports.contains(port) => nearest = DenyCode::Route,
            _ if nearest == DenyCode::NoGrant => nearest = DenyCode::Port,
            _ => {}
        }
    }
    Err(nearest)
}

/// What a mesh exports to whom is the border between meshes: no mode opens it.
fn within_reach(policy: &InboundPolicy, peer: Peer<'_>, port: u16) -> Result<(), DenyCode> {
    let reached = peer.identity.is_none_or(|identity| policy.is_within_reach(identity, port));
    if reached { Ok(()) } else { Err(DenyCode::NotExported) }
}

/// The union over all grants; on denial, the code of the nearest miss.
fn by_grants<'a>(
    grants: &'a [Grant],
    identity: &SpiffeId,
    addr: IpAddr,
    port: u16,
    asked: Asked<'_>,
) -> Result<&'a ObjectName, DenyCode> {
    let mut nearest = DenyCode::NoGrant;
    let all = broken::is(Fault::FirstRouteWins);
    for grant in grants.iter().filter(|g| all || names(g, identity, addr)) {
        let ports = if matches!(asked, Asked::Udp) { &grant.udp } else { &grant.tcp };
        if !ports.as_ref().is_some_and(|p| p.contains(port)) {
            nearest = if nearest == DenyCode::NoGrant { DenyCode::Port } else { nearest };
            continue;
        }
        let covered = match (asked, &grant.http) {
            (Asked::Udp, _) | (_, HttpScope::Opaque) => true,
            (Asked::Tcp, HttpScope::Only(_)) => false,
            (Asked::Http(request), HttpScope::Only(matches)) => matches.iter().any(|m| m.matches(request)),
        };
        if covered && all && !names(grant, identity, addr) {
            return Err(DenyCode::NoGrant);
        }
        if covered {
            return Ok(&grant.name);
        }
        nearest = DenyCode::Route;
    }
    Err(nearest)
}

fn names(grant: &Grant, identity: &SpiffeId, addr: IpAddr) -> bool {
    if broken::is(Fault::AnySource) {
        return true;
    }
    let account = |id: &SpiffeId| id.service_account().map(|(_, account)| account.to_owned());
    grant.sources.iter().any(|source| match source {
        Source::Identity(id) if broken::is(Fault::AnyNamespace) => account(id) == account(identity),
        Source::Identity(id) if broken::is(Fault::AnyTrustDomain) => id.service_account() == identity.service_account(),
        Source::Identity(id) => id == identity,
        Source::Below(prefix) => prefix.covers(identity),
        Source::Pods(id, addrs) => id == identity && addrs.contains(&addr.to_canonical()),
    })
}

/// Never but in a mesh that is broken on purpose.
fn is_waved_through(policy: &InboundPolicy, peer: Peer<'_>) -> bool {
    let of_other = |identity: &SpiffeId| policy.trust_domain.as_ref().is_some_and(|own| own != identity.trust_domain());
    broken::is(Fault::ImportUnauthorized) && peer.identity.is_some_and(of_other)
}

fn is_exempt(policy: &InboundPolicy, peer: Peer<'_>, port: u16) -> bool {
    let exempt = &policy.exempt;
    exempt.ports.contains(&port) || exempt.sources.iter().any(|cidr| cidr.contains(peer.addr))
}

/// A probe is what the pod declared, in plaintext, from its own node: nothing else of that node is let in. It is no traffic of the
/// mesh, so it isn't to be counted either.
pub fn is_probe(policy: &InboundPolicy, peer: Peer<'_>, port: u16, asked: Asked<'_>) -> bool {
    let exempt = &policy.exempt;
    peer.identity.is_none()
        && exempt.node.contains(&peer.addr.to_canonical())
        && exempt.probes.iter().any(|(probed, path)| {
            *probed == port
                && match (path, asked) {
                    (Some(path), Asked::Http(request)) => request.method == "GET" && request.path == path,
                    (None, Asked::Tcp) => true,
                    _ => false,
                }
        })
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
