#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::probe::Step;

fn import() -> ImportedService {
    serde_json::from_value(json!({
        "apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "ImportedService",
        "metadata": { "name": "catalog-west", "namespace": "shop" },
        "spec": { "from": { "mesh": "west", "service": "catalog" } }
    }))
    .unwrap()
}

fn catalog(endpoints: &serde_json::Value) -> ClusterCatalog {
    serde_json::from_value(
        json!({ "cluster": "west", "state": "Fresh", "gateways": ["100.64.1.10:15443"], "endpoints": endpoints }),
    )
    .unwrap()
}

#[test]
fn an_endpoint_is_asked_for_by_the_name_that_callers_send() {
    let catalog = catalog(&json!([
        { "token": "aaaa", "identity": "spiffe://west.local/ns/shop/sa/catalog", "ports": [] },
        { "token": "bbbb", "identity": "spiffe://west.local/ns/shop/sa/catalog", "ports": [80] }
    ]));
    let (dial, steps) = endpoint(&import(), &catalog, "100.64.1.10:15443", "{}").unwrap();
    assert_eq!(dial.server_name, "bbbb.p80.catalog.shop.svc.west.mesh");
    assert_eq!(dial.identities, ["spiffe://west.local/ns/shop/sa/catalog"]);
    assert_eq!(steps.what, "gateway 100.64.1.10:15443, catalog-west");
}

#[test]
fn without_an_endpoint_that_serves_there_is_nothing_to_ask_for() {
    let none =
        catalog(&json!([{ "token": "aaaa", "identity": "spiffe://west.local/ns/shop/sa/catalog", "ports": [] }]));
    assert!(endpoint(&import(), &none, "100.64.1.10:15443", "{}").is_none());
}

#[test]
fn the_first_step_that_failed_is_the_fault_with_its_own_remedy() {
    let hub_ref = HubRef {
        address: "[fd00::1]:15030".into(),
        identity: "spiffe://east.local/ns/isthmus-system/sa/isthmus-hub".into(),
    };
    let (dial, steps) = hub(&hub_ref, "{}");
    assert_eq!(dial.server_name, "fd00::1");
    let mut report = Report::default();
    report.category("hub");
    let good = |kind| Step { kind, found: Ok("seen".into()) };
    let seen =
        Seen { steps: vec![good(Kind::Dns), good(Kind::Tcp), Step { kind: Kind::Tls, found: Err("closed".into()) }] };
    assert_eq!(steps.record(&mut report, seen), Err(Stopped));
    let json = serde_json::to_value(&report).unwrap();
    let checks = json["categories"][0]["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 3);
    assert_eq!(checks[2]["description"], "the hub speaks TLS 1.3");
    assert!(checks[2]["hint"].as_str().unwrap().contains("something else listens there"));
}
