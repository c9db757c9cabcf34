use isthmus_core::inbound::Cidr;

use super::*;
use crate::encode;

fn http_match() -> HttpMatch {
    let headers = vec![("x-kind".to_owned(), "^a$".to_owned())];
    let spec = HttpMatchSpec {
        name: "m".into(),
        path_regex: Some("/a".into()),
        methods: vec!["GET".into()],
        headers,
        full_match: true,
    };
    HttpMatch::compile(spec).unwrap()
}

fn endpoint_at(addr: &str, id: Option<&str>) -> Endpoint {
    let identity = id.map(|id| id.parse().unwrap());
    Endpoint::local(addr.parse().unwrap(), identity, "default/web-1")
}

fn far(server_name: &str) -> Endpoint {
    let remote = Remote { server_name: server_name.into(), mesh: "west".parse().unwrap(), stale: true };
    let local = endpoint_at("100.64.1.10:15443", Some("spiffe://west.local/ns/d/sa/a"));
    Endpoint { remote: Some(remote), priority: 2, ..local }
}

#[test]
fn an_inbound_policy_comes_back_as_it_was() {
    let id: SpiffeId = "spiffe://td/ns/default/sa/a".parse().unwrap();
    let grant = Grant {
        name: ObjectName::new("default", "t"),
        sources: vec![
            Source::Identity(id.clone()),
            Source::Pods(id, ["10.0.0.1".parse().unwrap()].into()),
            Source::Below("spiffe://west.local/ns/a/*".parse().unwrap()),
        ],
        tcp: Some(PortSet::Only([80, 81].into())),
        udp: Some(PortSet::All),
        http: HttpScope::Only(vec![http_match()]),
    };
    let policy = InboundPolicy {
        mode: PolicyMode::Audit,
        grants: vec![grant.clone(), Grant { tcp: None, http: HttpScope::Opaque, ..grant }],
        exempt: Exemptions {
            ports: [9000].into(),
            sources: vec![Cidr { addr: "10.0.0.0".parse().unwrap(), prefix: 8 }],
            node: vec!["10.42.0.1".parse().unwrap()],
            probes: vec![(8080, Some("/healthz".into())), (8081, None)],
        },
        protocols: [(8080, ProtocolHint::Http2)].into(),
        trust_domain: Some(TrustDomain::new("td").unwrap()),
        exports: vec![Export {
            name: ObjectName::new("default", "web"),
            ports: [8080].into(),
            to: [TrustDomain::new("west.local").unwrap()].into(),
        }],
    };
    assert_eq!(inbound(encode::inbound(&policy)).unwrap(), policy);
}

#[test]
fn a_destination_comes_back_as_it_was() {
    let endpoints = [
        endpoint_at("10.0.0.1:80", Some("spiffe://td/ns/d/sa/a")),
        endpoint_at("[fd00::1]:80", None),
        far("aa.p80.web.d.svc.west.mesh"),
    ];
    let root = Backend { service: ObjectName::new("d", "web"), port: 80, endpoints: Arc::new(endpoints) };
    let split = Split {
        name: ObjectName::new("d", "s"),
        generation: 7,
        matches: Some(vec![http_match()]),
        backends: vec![(root.clone(), 90), (root.clone(), 0)],
    };
    let whole = ServiceRoute { root, protocol: ProtocolHint::Http1, split: Some(split) };
    let unsplit = ServiceRoute { split: None, ..whole.clone() };
    for case in [
        Destination::Service(whole),
        Destination::Service(unsplit),
        Destination::Workload(endpoint_at("10.0.0.1:80", None)),
        Destination::Unknown,
    ] {
        assert_eq!(destination(encode::destination(&case)).unwrap(), case);
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_its_field() {
    let message = proto::Endpoint { address: "nowhere".into(), ..proto::Endpoint::default() };
    let text = endpoint(message).unwrap_err().to_string();
    assert!(text.contains("endpoint.address") && text.contains("nowhere"), "{text}");
    assert!(destination(proto::Destination { kind: None }).is_err());
    assert!(endpoint(encode::endpoint(&far("www.example.com"))).is_err(), "a name that is no service's");
    assert!(endpoint(encode::endpoint(&far("p80.a.b.svc.south.mesh"))).is_err(), "a name of another mesh");
    let nobody = proto::Endpoint { spiffe_id: String::new(), ..encode::endpoint(&far("p80.a.b.svc.west.mesh")) };
    assert!(endpoint(nobody).is_err(), "plaintext to another mesh");
    assert!(endpoint(proto::Endpoint { priority: 256, ..encode::endpoint(&far("p80.a.b.svc.west.mesh")) }).is_err());
    for bad in [0, 65_536] {
        assert!(port("p", bad).is_err());
    }
}
