use serde_json::json;

use super::*;

fn range() -> Cidr {
    "100.64.0.0/24".parse().unwrap()
}

fn slice(endpoints: serde_json::Value) -> EndpointSlice {
    serde_json::from_value(json!({
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "dns", "port": 5353, "protocol": "UDP"}],
        "endpoints": endpoints,
    }))
    .unwrap()
}

fn web(endpoints: serde_json::Value) -> Vec<(String, Vec<String>)> {
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"clusterIP": "10.43.7.7", "ports": [
            {"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "odd", "port": 9, "protocol": "SCTP"}]},
    }))
    .unwrap();
    let headless: Service =
        serde_json::from_value(json!({"metadata": {"name": "db", "namespace": "shop"}, "spec": {"clusterIP": "None"}}))
            .unwrap();
    let all = ports(&[service, headless], &[slice(endpoints)], &[], range());
    all.iter()
        .map(|port| (port.address.to_string(), port.endpoints.iter().map(ToString::to_string).collect()))
        .collect()
}

#[test]
fn ports_meet_their_endpoints_by_name() {
    let seen = web(
        json!([{"addresses": ["10.42.0.6"]}, {"addresses": ["10.42.0.5"], "conditions": {"ready": true}}, {"addresses": ["10.42.0.7"], "conditions": {"ready": false}}]),
    );
    let http = vec!["10.42.0.5:8080".to_owned(), "10.42.0.6:8080".to_owned()];
    let dns = vec!["10.42.0.5:5353".to_owned(), "10.42.0.6:5353".to_owned()];
    assert_eq!(seen, [("10.43.7.7:80".to_owned(), http), ("10.43.7.7:53".to_owned(), dns)]);
}

#[test]
fn endpoints_that_end_serve_only_when_no_other_does() {
    let ending =
        json!({"addresses": ["10.42.0.5"], "conditions": {"ready": false, "serving": true, "terminating": true}});
    let ready = json!({"addresses": ["10.42.0.6"], "conditions": {"ready": true}});
    assert_eq!(web(json!([ending, ready]))[0].1, ["10.42.0.6:8080"]);
    assert_eq!(web(json!([ending]))[0].1, ["10.42.0.5:8080"]);
}

#[test]
fn the_routers_own_addresses_are_left_alone() {
    let dns: Service = serde_json::from_value(json!({
        "metadata": {"name": "kube-dns", "namespace": "kube-system"}, "spec": {"clusterIP": "10.43.0.10", "ports": [{"port": 53}]}}))
    .unwrap();
    assert!(ports(&[dns], &[], &[Ipv4Addr::new(10, 43, 0, 10)], range()).is_empty());
}

#[test]
fn an_address_of_the_balancers_range_leads_where_the_cluster_ip_does() {
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.43.7.7", "ports": [{"name": "http", "port": 80}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "100.64.0.10"}, {"ip": "192.0.2.1"}, {"hostname": "elsewhere.example"}]}}}))
    .unwrap();
    let all = ports(&[service], &[slice(json!([{"addresses": ["10.42.0.5"]}]))], &[], range());
    let seen: Vec<_> = all.iter().map(|port| (port.address.to_string(), port.endpoints.len())).collect();
    assert_eq!(seen, [("10.43.7.7:80".to_owned(), 1), ("100.64.0.10:80".to_owned(), 1)]);
}
