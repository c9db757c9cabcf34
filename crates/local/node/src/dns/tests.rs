use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use proptest::prelude::*;
use serde_json::json;

use super::answer::{Transport, answer};
use super::zone::Zone;

fn zone() -> Zone {
    let service = |name: &str, spec: serde_json::Value| -> Service {
        serde_json::from_value(json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec})).unwrap()
    };
    let services = [
        service("web", json!({"clusterIP": "10.43.7.7", "ports": [{"name": "http", "port": 80}, {"port": 81}]})),
        service("db", json!({"clusterIP": "None", "ports": [{"name": "sql", "port": 5432}]})),
        service("none", json!({"clusterIP": "None"})),
        service("out", json!({"type": "ExternalName", "externalName": "Example.com."})),
        service("alias", json!({"type": "ExternalName", "externalName": "web.shop.svc.cluster.local"})),
        service("loop", json!({"type": "ExternalName", "externalName": "loop.shop.svc.cluster.local"})),
    ];
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"name": "db-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}},
        "addressType": "IPv4",
        "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": ["10.42.0.5"], "hostname": "db-0", "conditions": {"ready": true}},
            {"addresses": ["10.42.0.6"], "conditions": {"ready": true}},
            {"addresses": ["10.42.0.7"], "conditions": {"ready": false}},
        ],
    }))
    .unwrap();
    Zone::build("cluster.local", "10.42.0.0/16".parse().unwrap(), &services, &[slice])
}

fn ask(name: &str, kind: RecordType) -> Message {
    let mut question = Message::query();
    question.metadata.id = 0;
    question.add_query(Query::query(Name::from_utf8(name).unwrap(), kind));
    Message::from_vec(&answer(&zone(), &question.to_vec().unwrap(), Transport::Udp).unwrap()).unwrap()
}

fn texts(message: &Message) -> Vec<String> {
    let text = |data: &RData| match data {
        RData::A(a) => a.0.to_string(),
        RData::CNAME(name) => name.0.to_ascii(),
        RData::SRV(srv) => format!("{}:{}", srv.target, srv.port),
        other => format!("{other:?}"),
    };
    message.answers.iter().map(|record| text(&record.data)).collect()
}

fn a(name: &str) -> (ResponseCode, Vec<String>) {
    let message = ask(name, RecordType::A);
    (message.metadata.response_code, texts(&message))
}

fn found(addresses: &[&str]) -> (ResponseCode, Vec<String>) {
    (ResponseCode::NoError, addresses.iter().map(|address| (*address).to_owned()).collect())
}

#[test]
fn services_pods_and_aliases() {
    assert_eq!(a("web.shop.svc.cluster.local."), found(&["10.43.7.7"]));
    assert_eq!(a("WEB.Shop.svc.CLUSTER.local"), found(&["10.43.7.7"]));
    assert_eq!(a("db.shop.svc.cluster.local."), found(&["10.42.0.5", "10.42.0.6"]));
    assert_eq!(a("db-0.db.shop.svc.cluster.local."), found(&["10.42.0.5"]));
    assert_eq!(a("10-42-0-6.db.shop.svc.cluster.local."), found(&["10.42.0.6"]));
    assert_eq!(a("10-42-0-9.shop.pod.cluster.local."), found(&["10.42.0.9"]));
    assert_eq!(a("out.shop.svc.cluster.local."), found(&["example.com."]));
    assert_eq!(a("alias.shop.svc.cluster.local."), found(&["web.shop.svc.cluster.local.", "10.43.7.7"]));
}

#[test]
fn ports_have_names_too() {
    let web = ask("_http._tcp.web.shop.svc.cluster.local.", RecordType::SRV);
    assert_eq!(texts(&web), ["web.shop.svc.cluster.local.:80"]);
    assert_eq!(web.additionals.len(), 1);
    let db = ask("_sql._tcp.db.shop.svc.cluster.local.", RecordType::SRV);
    assert_eq!(texts(&db), ["db-0.db.shop.svc.cluster.local.:5432", "10-42-0-6.db.shop.svc.cluster.local.:5432"]);
}

#[test]
fn what_is_not_there_is_told_with_authority() {
    for name in [
        "nope.shop.svc.cluster.local.",
        "web.nope.svc.cluster.local.",
        "x.cluster.local.",
        "10-99-0-9.shop.pod.cluster.local.",
    ] {
        let message = ask(name, RecordType::A);
        assert_eq!(message.metadata.response_code, ResponseCode::NXDomain, "{name}");
        assert!(message.metadata.authoritative && message.authorities.len() == 1);
    }
    for (name, kind) in [
        ("web.shop.svc.cluster.local.", RecordType::AAAA),
        ("none.shop.svc.cluster.local.", RecordType::A),
        ("shop.svc.cluster.local.", RecordType::A),
        ("cluster.local.", RecordType::A),
    ] {
        let message = ask(name, kind);
        assert_eq!((message.metadata.response_code, message.answers.len()), (ResponseCode::NoError, 0), "{name}");
        assert_eq!(message.authorities.len(), 1, "{name}");
    }
}

#[test]
fn nothing_is_forwarded() {
    for name in ["example.com.", "notcluster.local.", "com.", "."] {
        let message = ask(name, RecordType::A);
        assert_eq!(message.metadata.response_code, ResponseCode::NXDomain, "{name}");
        assert!(!message.metadata.authoritative && message.authorities.is_empty());
    }
}

#[test]
fn a_ring_of_aliases_ends() {
    assert_eq!(ask("loop.shop.svc.cluster.local.", RecordType::A).metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn a_long_answer_over_udp_is_cut_and_says_so() {
    let service: Service =
        serde_json::from_value(json!({"metadata": {"name": "many", "namespace": "n"}, "spec": {"clusterIP": "None"}}))
            .unwrap();
    let endpoints: Vec<_> = (0..100).map(|n| json!({"addresses": [format!("10.42.1.{n}")]})).collect();
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"name": "m", "namespace": "n", "labels": {"kubernetes.io/service-name": "many"}},
        "addressType": "IPv4", "endpoints": endpoints,
    }))
    .unwrap();
    let zone = Zone::build("cluster.local", "10.42.0.0/16".parse().unwrap(), &[service], &[slice]);
    let mut question = Message::query();
    question.add_query(Query::query(Name::from_utf8("many.n.svc.cluster.local.").unwrap(), RecordType::A));
    let bytes = question.to_vec().unwrap();
    let udp = Message::from_vec(&answer(&zone, &bytes, Transport::Udp).unwrap()).unwrap();
    assert!(udp.metadata.truncation && udp.answers.is_empty());
    let tcp = Message::from_vec(&answer(&zone, &bytes, Transport::Tcp).unwrap()).unwrap();
    assert_eq!(tcp.answers.len(), 100);
}

proptest! {
    #[test]
    fn no_datagram_makes_the_server_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        answer(&zone(), &bytes, Transport::Udp);
    }

    #[test]
    fn a_bent_question_does_not_either(at in 0usize..46, byte: u8, cut in 0usize..47) {
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_utf8("web.shop.svc.cluster.local.").unwrap(), RecordType::SRV));
        let mut bytes = question.to_vec().unwrap();
        if let Some(slot) = bytes.get_mut(at) {
            *slot = byte;
        }
        bytes.truncate(cut);
        answer(&zone(), &bytes, Transport::Tcp);
    }
}
