use std::collections::HashSet;

use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::server::Server;
use crate::{admin, code};

fn service(name: &str, spec: Value) -> Service {
    let mut spec = spec;
    spec["ports"] = json!([{ "port": 80 }]);
    serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap()
}

fn address(service: &Service) -> String {
    service.spec.as_ref().unwrap().cluster_ip.clone().unwrap_or_default()
}

#[tokio::test]
async fn cluster_ips_are_unique_kept_and_given_back() {
    let server = Server::start().await;
    let api: Api<Service> = Api::default_namespaced(admin(&server).await);
    let post = PostParams::default();
    let create = |i: u32| {
        let api = api.clone();
        async move { api.create(&PostParams::default(), &service(&format!("s{i}"), json!({}))).await.unwrap() }
    };
    let made = futures::future::join_all((0..30).map(create)).await;
    let all: HashSet<String> = made.iter().map(address).collect();
    assert_eq!(all.len(), 30);
    assert!(all.iter().all(|address| address.starts_with("10.43.")));
    let change = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    let same = api.patch("s0", &PatchParams::default(), &change).await.unwrap();
    assert_eq!(address(&same), address(&made[0]));
    let other = Patch::Merge(json!({ "spec": { "clusterIP": "10.43.7.7" } }));
    assert_eq!(code(api.patch("s0", &PatchParams::default(), &other).await), 422);

    let chosen = service("chosen", json!({ "clusterIP": "10.43.0.10" }));
    assert_eq!(address(&api.create(&post, &chosen).await.unwrap()), "10.43.0.10");
    let twice = service("twice", json!({ "clusterIP": "10.43.0.10" }));
    assert_eq!(code(api.create(&post, &twice).await), 422);
    api.delete("chosen", &DeleteParams::default()).await.unwrap();
    api.create(&post, &twice).await.unwrap();
    assert_eq!(code(api.create(&post, &service("out", json!({ "clusterIP": "10.44.0.1" }))).await), 422);
}

#[tokio::test]
async fn headless_and_external_services_have_none() {
    let server = Server::start().await;
    let api: Api<Service> = Api::default_namespaced(admin(&server).await);
    let post = PostParams::default();
    let headless = api.create(&post, &service("headless", json!({ "clusterIP": "None" }))).await.unwrap();
    assert_eq!(address(&headless), "None");
    let external = json!({ "type": "ExternalName", "externalName": "example.com" });
    let external = api.create(&post, &service("external", external)).await.unwrap();
    assert_eq!(address(&external), "");
}

fn node_ports(service: &Service) -> Vec<i32> {
    service.spec.as_ref().unwrap().ports.iter().flatten().filter_map(|port| port.node_port).collect()
}

#[tokio::test]
async fn node_ports_are_unique_kept_and_given_back() {
    let server = Server::start().await;
    let api: Api<Service> = Api::default_namespaced(admin(&server).await);
    let post = PostParams::default();
    let typed = |name: &str, kind: &str| service(name, json!({ "type": kind }));
    let create = |i: u32| {
        let (api, service) =
            (api.clone(), typed(&format!("s{i}"), if i.is_multiple_of(2) { "NodePort" } else { "LoadBalancer" }));
        async move { api.create(&PostParams::default(), &service).await.unwrap() }
    };
    let made = futures::future::join_all((0..30).map(create)).await;
    let all: HashSet<i32> = made.iter().flat_map(node_ports).collect();
    assert_eq!(all.len(), 30);
    assert!(all.iter().all(|port| (30000..=32767).contains(port)), "{all:?}");
    // A client that knows nothing of them takes none away.
    let mut put = made[0].clone();
    put.spec.as_mut().unwrap().ports.as_mut().unwrap()[0].node_port = None;
    let put = api.replace("s0", &post, &put).await.unwrap();
    assert_eq!(node_ports(&put), node_ports(&made[0]));

    let asking = |name: &str, port: i32| {
        let mut service = typed(name, "NodePort");
        service.spec.as_mut().unwrap().ports.as_mut().unwrap()[0].node_port = Some(port);
        service
    };
    let free = (30000..).find(|port| !all.contains(port)).unwrap();
    assert_eq!(node_ports(&api.create(&post, &asking("chosen", free)).await.unwrap()), [free]);
    assert_eq!(code(api.create(&post, &asking("twice", free)).await), 422);
    assert_eq!(code(api.create(&post, &asking("out", 80)).await), 422);
    let back = Patch::Merge(json!({ "spec": { "type": "ClusterIP" } }));
    assert!(node_ports(&api.patch("chosen", &PatchParams::default(), &back).await.unwrap()).is_empty());
    assert_eq!(node_ports(&api.create(&post, &asking("twice", free)).await.unwrap()), [free]);
    api.delete("twice", &DeleteParams::default()).await.unwrap();
    assert_eq!(node_ports(&api.create(&post, &asking("thrice", free)).await.unwrap()), [free]);
    let none = json!({ "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false });
    assert!(node_ports(&api.create(&post, &service("none", none)).await.unwrap()).is_empty());
}
