use super::*;

fn case(yaml: &str) -> Case {
    Case { id: "access-x".into(), ..crate::yaml::read(yaml).unwrap() }
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
    let objects = objects(&case(TWO), &profile, "ns", "image");
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
    assert!(objects(&case(TWO), &profile, "ns", "image").iter().all(|o| o["kind"] != "TrafficTarget"));
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
    let object = json!({ "metadata": { "name": "x" }, "spec": [{ "service": "a.$(namespace)-far" }] });
    let placed = placed(&object, "ns");
    assert_eq!(placed, json!({ "metadata": { "name": "x", "namespace": "ns" }, "spec": [{ "service": "a.ns-far" }] }));
}
