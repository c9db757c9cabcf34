use super::*;
use crate::meshes::{Names, Parties};

fn case(yaml: &str) -> Case {
    Case { id: "access-x".into(), ..crate::yaml::read(yaml).unwrap() }
}

fn words(parties: &Parties) -> Words<'_> {
    Words { namespace: "ns".to_owned(), parties }
}

fn joined() -> Parties {
    let names = |mesh: &str| Some(Names { mesh: mesh.to_owned(), trust_domain: format!("{mesh}.local") });
    Parties { own: names("east"), peer: names("west") }
}

const TWO: &str = "
title: t
source: { page: p, section: s, says: s }
demand: required
namespaces: [far]
apps: { client: { account: c }, server: { namespace: far, replicas: 2, labels: { tier: back } } }
open: true
steps: []
";

#[test]
fn programs_live_where_the_case_says() {
    let profile = Profile::named("isthmus").unwrap();
    let objects = objects(&case(TWO), &profile, &words(&Parties::default()), "image", Side::Own);
    let names: Vec<String> = objects
        .iter()
        .map(|o| {
            format!(
                "{} {}/{}",
                o["kind"].as_str().unwrap(),
                o["metadata"]["namespace"].as_str().unwrap(),
                o["metadata"]["name"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            "ServiceAccount ns/c",
            "Service ns/client",
            "Deployment ns/client",
            "ServiceAccount ns-far/server",
            "Service ns-far/server",
            "Deployment ns-far/server",
            "TCPRoute ns/everything",
            "TrafficTarget ns/open-client",
            "TCPRoute ns-far/everything",
            "TrafficTarget ns-far/open-server",
        ]
    );
    let template = &objects[5]["spec"]["template"];
    assert_eq!(template["metadata"]["labels"], json!({ "app": "server", "tier": "back" }));
    assert_eq!(objects[5]["spec"]["replicas"], 2);
}

#[test]
fn a_mesh_without_access_policy_needs_no_opening() {
    let profile = Profile::read("test", "{ title: Test, versions: {} }").unwrap();
    assert!(
        objects(&case(TWO), &profile, &words(&Parties::default()), "image", Side::Own)
            .iter()
            .all(|o| o["kind"] != "TrafficTarget")
    );
}

#[test]
fn namespaces_carry_the_run_and_what_the_mesh_wants() {
    let made = namespaces(&case(TWO), &Profile::named("isthmus").unwrap(), "r1");
    assert_eq!(made.len(), 2);
    assert_eq!(made[1]["metadata"]["name"], "isthmus-conformance-r1-access-x-far");
    assert_eq!(made[0]["metadata"]["labels"], json!({ LABEL: "r1", "isthmus.mesh/inject": "enabled" }));
}

#[test]
fn placeholders_are_filled_in_everywhere() {
    let object = json!({ "metadata": { "name": "x" }, "spec": [{ "service": "a.$(namespace)-far", "ids": ["spiffe://$(peer-trust-domain)/x", "$(mesh) $(peer) $(trust-domain)"] }] });
    let placed = placed(&object, &words(&joined()));
    assert_eq!(
        placed,
        json!({
            "metadata": { "name": "x", "namespace": "ns" },
            "spec": [{ "service": "a.ns-far", "ids": ["spiffe://west.local/x", "east west east.local"] }],
        })
    );
}

#[test]
fn programs_in_the_peer_are_made_there_and_open_to_both_by_identity() {
    let yaml = TWO.replace("namespace: far,", "peer: true,");
    let profile = Profile::named("isthmus").unwrap();
    let parties = joined();
    let of = |side| objects(&case(&yaml), &profile, &words(&parties), "image", side);
    let kinds = |objects: &[Value]| -> Vec<String> {
        objects
            .iter()
            .map(|o| format!("{}/{}", o["kind"].as_str().unwrap(), o["metadata"]["name"].as_str().unwrap()))
            .collect()
    };
    let peer = of(Side::Peer);
    assert_eq!(
        kinds(&peer),
        [
            "ServiceAccount/server",
            "Service/server",
            "Deployment/server",
            "TCPRoute/everything",
            "TrafficTarget/open-server"
        ]
    );
    assert_eq!(
        peer[4]["spec"]["sources"],
        json!([
            { "kind": "SPIFFEIdentity", "name": "spiffe://east.local/ns/ns/sa/c" },
            { "kind": "ServiceAccount", "name": "server", "namespace": "ns" },
        ])
    );
    assert!(kinds(&of(Side::Own)).contains(&"TrafficTarget/open-client".to_owned()));
}
