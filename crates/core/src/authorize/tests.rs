use std::collections::BTreeSet;

use http::HeaderMap;

use super::*;
use crate::{
    http_match::{HttpMatch, HttpMatchSpec},
    inbound::{Exemptions, Export, PortSet},
};

fn id(account: &str) -> SpiffeId {
    format!("spiffe://td/ns/default/sa/{account}").parse().unwrap()
}

fn ports(list: &[u16]) -> Option<PortSet> {
    Some(if list.is_empty() { PortSet::All } else { PortSet::Only(list.iter().copied().collect()) })
}

fn route(path: &str, methods: &[&str]) -> HttpMatch {
    let methods = methods.iter().map(ToString::to_string).collect();
    HttpMatch::compile(HttpMatchSpec { path_regex: Some(path.into()), methods, ..HttpMatchSpec::default() }).unwrap()
}

fn grant(source: &str, tcp: Option<PortSet>, udp: Option<PortSet>, http: HttpScope) -> Grant {
    Grant { name: ObjectName::new("default", source), sources: vec![Source::Identity(id(source))], tcp, udp, http }
}

fn policy(grants: Vec<Grant>) -> InboundPolicy {
    InboundPolicy { grants, ..InboundPolicy::default() }
}

const ADDR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));

fn tcp(policy: &InboundPolicy, source: &str, port: u16) -> Result<(), DenyCode> {
    authorize(policy, Peer { identity: Some(&id(source)), addr: ADDR }, port, Asked::Tcp).map(drop)
}

fn get(policy: &InboundPolicy, source: &str, port: u16, path: &str) -> Result<(), DenyCode> {
    let headers = HeaderMap::new();
    let asked = Asked::Http(HttpRequest { method: "GET", path, authority: "b", headers: &headers });
    authorize(policy, Peer { identity: Some(&id(source)), addr: ADDR }, port, asked).map(drop)
}

#[test]
fn a5_with_no_grant_all_is_denied() {
    assert_eq!(get(&policy(vec![]), "a", 80, "/"), Err(DenyCode::NoGrant));
}

#[test]
fn vector_tcp_route_with_no_ports_allows_http_to_anything() {
    let p = policy(vec![grant("a", ports(&[]), None, HttpScope::Opaque)]);
    assert_eq!(get(&p, "a", 9091, "/anything"), Ok(()));
    assert_eq!(tcp(&p, "a", 9091), Ok(()));
}

#[test]
fn vector_udp_port_outside_the_udp_route_is_denied() {
    let p = policy(vec![grant("a", ports(&[8300, 8301, 8302]), ports(&[8301, 8302]), HttpScope::Opaque)]);
    let peer_id = id("a");
    let udp = |port| authorize(&p, Peer { identity: Some(&peer_id), addr: ADDR }, port, Asked::Udp).map(drop);
    assert_eq!(udp(8300), Err(DenyCode::Port));
    assert_eq!(udp(8301), Ok(()));
    assert_eq!(tcp(&p, "a", 8300), Ok(()));
}

#[test]
fn a4_vector_tcp_route_and_group_restrict_each_other() {
    let http = HttpScope::Only(vec![route("/metrics", &["GET"])]);
    let p = policy(vec![grant("a", ports(&[8080]), None, http)]);
    assert_eq!(get(&p, "a", 9090, "/metrics"), Err(DenyCode::Port));
    assert_eq!(get(&p, "a", 8080, "/metrics"), Ok(()));
    assert_eq!(get(&p, "a", 8080, "/x"), Err(DenyCode::Route));
    assert_eq!(tcp(&p, "a", 8080), Err(DenyCode::Route), "a route group opens no raw TCP");
}

#[test]
fn a19_overlapping_targets_are_a_true_union() {
    let p = policy(vec![
        grant("a", ports(&[]), None, HttpScope::Only(vec![route("/anything", &["*"])])),
        grant("b", ports(&[]), None, HttpScope::Only(vec![route("/any", &["*"])])),
        grant("a", ports(&[]), None, HttpScope::Only(vec![route("/foo", &["*"])])),
    ]);
    for (source, path) in [("a", "/anything"), ("a", "/foo"), ("b", "/anything")] {
        assert_eq!(get(&p, source, 80, path), Ok(()), "{source} {path}");
    }
    assert_eq!(get(&p, "b", 80, "/foo"), Err(DenyCode::Route));
}

#[test]
fn a17_a_grant_with_no_sources_or_no_routes_grants_nothing() {
    let none = Grant { sources: vec![], ..grant("a", ports(&[]), None, HttpScope::Opaque) };
    assert_eq!(get(&policy(vec![none]), "a", 80, "/"), Err(DenyCode::NoGrant));
    let empty = grant("a", ports(&[]), None, HttpScope::Only(vec![]));
    assert_eq!(get(&policy(vec![empty]), "a", 80, "/"), Err(DenyCode::Route));
}

#[test]
fn plaintext_is_refused_unless_exempted() {
    let mut p = policy(vec![grant("a", ports(&[]), None, HttpScope::Opaque)]);
    let plain = Peer { identity: None, addr: ADDR };
    assert_eq!(authorize(&p, plain, 80, Asked::Tcp), Err(DenyCode::NoIdentity));
    p.exempt = Exemptions { ports: BTreeSet::from([81]), sources: vec!["10.0.1.0/24".parse().unwrap()], ..p.exempt };
    assert_eq!(authorize(&p, plain, 81, Asked::Tcp), Ok(Allowed::Exempt));
    let from = Peer { identity: None, addr: "10.0.1.7".parse().unwrap() };
    assert_eq!(authorize(&p, from, 80, Asked::Tcp), Ok(Allowed::Exempt));
}

#[test]
fn a_probe_is_let_in_from_its_own_node_at_its_own_path_only() {
    let node: IpAddr = "10.42.0.1".parse().unwrap();
    let probes = vec![(8080, Some("/healthz".to_owned())), (9000, None)];
    let p =
        InboundPolicy { exempt: Exemptions { node: vec![node], probes, ..Exemptions::default() }, ..policy(vec![]) };
    let headers = HeaderMap::new();
    let ask = |addr, port, path| {
        let request = HttpRequest { method: "GET", path, authority: "p", headers: &headers };
        authorize(&p, Peer { identity: None, addr }, port, Asked::Http(request)).map(drop)
    };
    assert_eq!(ask(node, 8080, "/healthz"), Ok(()));
    assert_eq!(ask(node, 8080, "/admin"), Err(DenyCode::NoIdentity));
    assert_eq!(ask(ADDR, 8080, "/healthz"), Err(DenyCode::NoIdentity));
    assert_eq!(authorize(&p, Peer { identity: None, addr: node }, 9000, Asked::Tcp), Ok(Allowed::Probe));
}

#[test]
fn audit_lets_through_and_says_what_would_have_been_denied() {
    let p = InboundPolicy { mode: PolicyMode::Audit, ..policy(vec![]) };
    let peer_id = id("a");
    let decision = authorize(&p, Peer { identity: Some(&peer_id), addr: ADDR }, 80, Asked::Tcp);
    assert_eq!(decision, Ok(Allowed::Audit(DenyCode::NoGrant)));
}

#[test]
fn a_pod_source_needs_both_identity_and_address() {
    let source = Source::Pods(id("a"), BTreeSet::from([ADDR]));
    let p = policy(vec![Grant { sources: vec![source], ..grant("a", ports(&[]), None, HttpScope::Opaque) }]);
    assert_eq!(tcp(&p, "a", 80), Ok(()));
    assert_eq!(tcp(&p, "b", 80), Err(DenyCode::NoGrant));
    let peer_id = id("a");
    let elsewhere = Peer { identity: Some(&peer_id), addr: "10.0.0.10".parse().unwrap() };
    assert_eq!(authorize(&p, elsewhere, 80, Asked::Tcp), Err(DenyCode::NoGrant));
}

#[test]
fn a34_a_connection_is_kept_only_while_something_on_it_could_be_allowed() {
    let peer_id = id("a");
    let peer = Peer { identity: Some(&peer_id), addr: ADDR };
    let http = HttpScope::Only(vec![route("/x", &["GET"])]);
    let p = policy(vec![grant("a", ports(&[80]), None, http)]);
    assert_eq!(could_be_allowed(&p, peer, 80, true), Ok(()));
    assert_eq!(could_be_allowed(&p, peer, 80, false), Err(DenyCode::Route));
    assert_eq!(could_be_allowed(&p, peer, 81, true), Err(DenyCode::Port));
    assert_eq!(could_be_allowed(&policy(vec![]), peer, 80, true), Err(DenyCode::NoGrant));
}

#[test]
fn cidrs_hold_their_addresses() {
    let cidr: crate::inbound::Cidr = "10.0.0.0/8".parse().unwrap();
    assert!(cidr.contains("10.255.1.2".parse().unwrap()) && cidr.contains("::ffff:10.1.1.1".parse().unwrap()));
    assert!(!cidr.contains("11.0.0.1".parse().unwrap()) && !cidr.contains("fd00::1".parse().unwrap()));
    assert!("0.0.0.0/0".parse::<crate::inbound::Cidr>().unwrap().contains(ADDR));
    assert!("10.0.0.0/33".parse::<crate::inbound::Cidr>().is_err() && "x".parse::<crate::inbound::Cidr>().is_err());
}

/// A policy that grants a foreign identity everything, and exports port 80 to its trust domain.
fn exporting(mode: PolicyMode) -> (InboundPolicy, SpiffeId) {
    let foreign: SpiffeId = "spiffe://west.local/ns/default/sa/web".parse().unwrap();
    let sources = vec![Source::Below("spiffe://west.local/ns/*".parse().unwrap())];
    let name = ObjectName::new("default", "catalog");
    let grant = Grant { name: name.clone(), sources, tcp: ports(&[]), udp: None, http: HttpScope::Opaque };
    let to = BTreeSet::from([foreign.trust_domain().clone()]);
    let exports = vec![Export { name, ports: BTreeSet::from([80]), to }];
    let trust_domain = Some("td".to_owned().try_into().unwrap());
    (InboundPolicy { mode, exports, trust_domain, ..policy(vec![grant]) }, foreign)
}

#[test]
fn another_mesh_reaches_what_is_exported_to_it_and_then_what_is_granted() {
    let (p, foreign) = exporting(PolicyMode::Enforce);
    let ask = |p: &InboundPolicy, identity: &SpiffeId, port| {
        authorize(p, Peer { identity: Some(identity), addr: ADDR }, port, Asked::Tcp).map(drop)
    };
    assert_eq!(ask(&p, &foreign, 80), Ok(()));
    assert_eq!(ask(&p, &foreign, 81), Err(DenyCode::NotExported), "granted, but not exported");
    let ungranted = InboundPolicy { grants: Vec::new(), ..p.clone() };
    assert_eq!(ask(&ungranted, &foreign, 80), Err(DenyCode::NoGrant), "exported, but not granted");
    let third = "spiffe://north.local/ns/default/sa/web".parse().unwrap();
    assert_eq!(ask(&p, &third, 80), Err(DenyCode::NotExported), "exported to another mesh only");
}

#[test]
fn no_mode_opens_the_border_between_meshes() {
    for mode in [PolicyMode::Enforce, PolicyMode::Audit, PolicyMode::Permissive] {
        let (p, foreign) = exporting(mode);
        let peer = Peer { identity: Some(&foreign), addr: ADDR };
        assert_eq!(authorize(&p, peer, 81, Asked::Tcp), Err(DenyCode::NotExported), "{mode:?}");
        assert_eq!(could_be_allowed(&p, peer, 81, true), Err(DenyCode::NotExported), "{mode:?}");
        assert_eq!(could_be_allowed(&p, peer, 80, true), Ok(()), "{mode:?}");
    }
}
