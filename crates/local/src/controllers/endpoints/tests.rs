use serde_json::{Value, json};

use super::*;

fn service(spec: Value) -> Service {
    serde_json::from_value(json!({
        "metadata": { "name": "web", "namespace": "shop", "uid": "s", "labels": { "team": "a" } }, "spec": spec,
    }))
    .unwrap()
}

fn numbered() -> Service {
    service(json!({ "selector": { "app": "web" }, "clusterIP": "10.43.0.7",
        "ports": [{ "name": "http", "port": 80, "targetPort": 8080, "appProtocol": "http" }] }))
}

fn pod(name: &str, ip: &str, ready: bool, ports: Value) -> Pod {
    let status = if ready { "True" } else { "False" };
    serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "labels": { "app": "web" } },
        "spec": { "nodeName": "n", "containers": [{ "name": "c", "ports": ports }] },
        "status": { "podIP": ip, "phase": "Running", "conditions": [{ "type": "Ready", "status": status }] },
    }))
    .unwrap()
}

fn ending(mut pod: Pod) -> Pod {
    pod.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    pod
}

fn slices(service: &Service, pods: &[Pod]) -> Vec<Value> {
    slices::desired(service, &addresses::group(service, pods)).iter().map(|slice| json!(slice)).collect()
}

#[test]
fn conditions_follow_the_pod() {
    let pods = [
        pod("a", "10.0.0.1", true, json!([])),
        pod("b", "10.0.0.2", false, json!([])),
        ending(pod("c", "10.0.0.3", true, json!([]))),
        ending(pod("d", "10.0.0.4", false, json!([]))),
        pod("e", "", false, json!([])),
    ];
    let found = slices(&numbered(), &pods);
    assert_eq!(found.len(), 1);
    let of = |n: usize| {
        let conditions = &found[0]["endpoints"][n]["conditions"];
        ["ready", "serving", "terminating"].map(|name| conditions[name].as_bool().unwrap())
    };
    assert_eq!([of(0), of(1)], [[true, true, false], [false, false, false]]);
    assert_eq!([of(2), of(3)], [[false, true, true], [false, false, true]]);
    assert_eq!(found[0]["endpoints"].as_array().unwrap().len(), 4);
    assert_eq!(found[0]["ports"], json!([{ "name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "http" }]));
    assert_eq!(found[0]["endpoints"][0]["targetRef"]["name"], "a");
    assert_eq!(found[0]["endpoints"][0]["nodeName"], "n");
    assert_eq!(found[0]["metadata"]["labels"]["kubernetes.io/service-name"], "web");
    assert_eq!(found[0]["metadata"]["labels"]["team"], "a");
    assert_eq!(found[0]["metadata"]["ownerReferences"][0]["uid"], "s");
    let old = legacy::desired(&numbered(), &addresses::group(&numbered(), &pods));
    let subset = &old.subsets.unwrap()[0];
    assert_eq!(subset.addresses.as_ref().unwrap().len(), 1);
    assert_eq!(subset.not_ready_addresses.as_ref().unwrap()[0].ip, "10.0.0.2");
}

#[test]
fn not_ready_addresses_are_published_when_asked() {
    let mut service = numbered();
    service.spec.as_mut().unwrap().publish_not_ready_addresses = Some(true);
    let found = slices(&service, &[ending(pod("a", "10.0.0.1", false, json!([])))]);
    assert_eq!(found[0]["endpoints"][0]["conditions"], json!({ "ready": true, "serving": false, "terminating": true }));
}

#[test]
fn named_ports_are_looked_up_in_each_pod() {
    let service = service(json!({ "selector": { "app": "web" }, "ports": [
        { "name": "http", "port": 80, "targetPort": "web" }, { "name": "admin", "port": 81 },
    ] }));
    let port = |number: u16, protocol: &str| json!([{ "name": "web", "containerPort": number, "protocol": protocol }]);
    let mut sidecar = pod("d", "10.0.0.4", true, json!([]));
    sidecar.spec.as_mut().unwrap().init_containers =
        serde_json::from_value(json!([{ "name": "s", "restartPolicy": "Always", "ports": port(9000, "TCP") }]))
            .unwrap();
    let found = slices(
        &service,
        &[
            pod("a", "10.0.0.1", true, port(8080, "TCP")),
            pod("b", "10.0.0.2", true, port(9000, "TCP")),
            pod("c", "10.0.0.3", true, port(8080, "UDP")),
            sidecar,
        ],
    );
    let numbers =
        |slice: &Value| slice["ports"].as_array().unwrap().iter().map(|p| p["port"].as_i64().unwrap()).collect();
    let pods = |slice: &Value| {
        let endpoints = slice["endpoints"].as_array().unwrap().iter();
        endpoints.map(|e| e["targetRef"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let mut by_ports: Vec<(Vec<i64>, Vec<String>)> = found.iter().map(|slice| (numbers(slice), pods(slice))).collect();
    by_ports.sort();
    let row = |numbers: &[i64], pods: &[&str]| (numbers.to_vec(), pods.iter().map(|p| (*p).to_owned()).collect());
    assert_eq!(by_ports, [row(&[81], &["c"]), row(&[8080, 81], &["a"]), row(&[9000, 81], &["b", "d"])]);
    let names: std::collections::HashSet<_> = found.iter().map(|slice| slice["metadata"]["name"].as_str()).collect();
    assert_eq!(names.len(), 3);
}

#[test]
fn headless_services_name_hosts_of_their_subdomain() {
    let service = service(json!({ "selector": { "app": "web" }, "clusterIP": "None" }));
    let mut named = pod("a", "10.0.0.1", true, json!([]));
    let spec = named.spec.as_mut().unwrap();
    (spec.hostname, spec.subdomain) = (Some("web-0".into()), Some("web".into()));
    let mut other = pod("b", "10.0.0.2", true, json!([]));
    let spec = other.spec.as_mut().unwrap();
    (spec.hostname, spec.subdomain) = (Some("x".into()), Some("other".into()));
    let found = slices(&service, &[named, other]);
    assert_eq!(found[0]["endpoints"][0]["hostname"], "web-0");
    assert!(found[0]["endpoints"][1].get("hostname").is_none());
    assert_eq!(found[0]["ports"], json!([]));
    assert_eq!(found[0]["metadata"]["labels"]["service.kubernetes.io/headless"], "");
}

#[test]
fn services_of_somebody_else_are_left_alone_and_empty_ones_have_an_empty_slice() {
    assert!(slices::selector(&service(json!({ "ports": [{ "port": 80 }] }))).is_none());
    assert!(slices::selector(&service(json!({ "type": "ExternalName", "selector": { "a": "b" } }))).is_none());
    let found = slices(&numbered(), &[]);
    assert_eq!((found.len(), &found[0]["endpoints"]), (1, &json!([])));
}

#[test]
fn many_pods_take_several_slices() {
    let pods: Vec<_> = (0..250).map(|n| pod(&format!("p{n:03}"), &format!("10.0.1.{n}"), true, json!([]))).collect();
    let found = slices(&numbered(), &pods);
    let sizes: Vec<_> = found.iter().map(|slice| slice["endpoints"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
    let wanted = slices::desired(&numbered(), &addresses::group(&numbered(), &pods));
    assert!(slices::is_written(&wanted[0], &wanted[0]));
    assert!(!slices::is_written(&wanted[0], &wanted[1]));
}
