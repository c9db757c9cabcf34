use serde_json::json;

use super::*;

fn reads(kind: &str, version: &str) -> Profile {
    Profile::read("test", &format!("{{ title: Test, versions: {{ {kind}: [{version}] }} }}")).unwrap()
}

fn rewritten(mut object: Value, version: &str) -> Result<Value, String> {
    let kind = object["kind"].as_str().unwrap().to_owned();
    rewrite(&mut object, &reads(&kind, version)).map(|()| object)
}

fn target(source: &str) -> Value {
    json!({
        "apiVersion": "access.smi-spec.io/v1alpha4", "kind": "TrafficTarget",
        "spec": { "destination": { "kind": "ServiceAccount" }, "rules": [1], "sources": [{ "kind": source }] },
    })
}

#[test]
fn what_is_read_stays() {
    assert_eq!(rewritten(target("ServiceAccount"), "v1alpha4").unwrap(), target("ServiceAccount"));
    let service = json!({ "apiVersion": "v1", "kind": "Service" });
    assert_eq!(rewritten(service.clone(), "v1alpha1").unwrap(), service);
}

#[test]
fn older_versions_have_other_shapes() {
    let first = rewritten(target("ServiceAccount"), "v1alpha1").unwrap();
    assert_eq!(first["apiVersion"], "access.smi-spec.io/v1alpha1");
    assert_eq!((&first["specs"], &first["spec"]), (&json!([1]), &Value::Null));
    assert_eq!(rewritten(target("ServiceAccount"), "v1alpha2").unwrap()["spec"]["rules"], json!([1]));
    let route = |ports: Value| {
        json!({
            "apiVersion": "specs.smi-spec.io/v1alpha4", "kind": "TCPRoute", "spec": { "matches": { "ports": ports } },
        })
    };
    assert_eq!(rewritten(route(json!([])), "v1alpha3").unwrap()["spec"], json!({}));
}

#[test]
fn what_they_cannot_say_is_told() {
    assert_eq!(
        rewritten(target("IdentityBinding"), "v1alpha3").unwrap_err(),
        "TrafficTarget v1alpha3 has no subjects other than ServiceAccounts"
    );
    let route = json!({
        "apiVersion": "specs.smi-spec.io/v1alpha4", "kind": "TCPRoute", "spec": { "matches": { "ports": [1] } },
    });
    assert_eq!(rewritten(route, "v1alpha3").unwrap_err(), "TCPRoute v1alpha3 has no ports");
    let split = json!({
        "apiVersion": "split.smi-spec.io/v1alpha4", "kind": "TrafficSplit", "spec": { "matches": [{ "name": "x" }] },
    });
    assert_eq!(rewritten(split.clone(), "v1alpha2").unwrap_err(), "TrafficSplit v1alpha2 has no matches");
    assert!(rewritten(split, "v1alpha3").is_ok());
}
