//! TrafficMetrics through the API server's aggregation, told by scripted proxies.

use std::time::Duration;

use isthmus_api::control::v1 as proto;
use isthmus_core::telemetry::{BUCKETS, bucket_of};
use kube::Client;
use serde_json::{Value, json};

use crate::{
    shop,
    world::{World, pod},
};

const BASE: &str = "/apis/metrics.smi-spec.io/v1alpha1";

/// Status, headers and body.
async fn get(client: &Client, path: &str, accept: &str) -> (u16, http::HeaderMap, Value) {
    let request = http::Request::get(path).header("accept", accept).body(kube::client::Body::empty()).unwrap();
    let response = client.send(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
    (head.status.as_u16(), head.headers, body)
}

impl World {
    async fn metrics(&self, path: &str) -> Value {
        let (status, _, body) = get(&self.client, &format!("{BASE}{path}"), "application/json").await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn served(&self) {
        self.until("the API is served", async || get(&self.client, BASE, "application/json").await.0 == 200).await;
    }
}

fn object(name: &str) -> Option<proto::ObjectName> {
    Some(proto::ObjectName { namespace: "shop".into(), name: name.into() })
}

fn workload(mesh: &str, name: &str) -> Option<proto::Workload> {
    Some(proto::Workload {
        mesh: mesh.into(),
        namespace: "shop".into(),
        kind: "Deployment".into(),
        name: name.into(),
        pod: format!("{name}-1"),
        service_account: name.into(),
    })
}

fn edge(direction: proto::Direction, peer: Option<proto::Workload>, [successes, failures]: [u64; 2]) -> proto::Edge {
    let mut latency = vec![0; BUCKETS];
    latency[bucket_of(Duration::from_millis(40))] = successes + failures;
    proto::Edge {
        direction: direction.into(),
        peer,
        service: object("blue"),
        successes,
        failures,
        latency,
        ..Default::default()
    }
}

/// A pod of a Deployment of its name.
fn deployed(name: &str) -> Value {
    let mut pod = pod(&format!("{name}-1"), name);
    pod["metadata"]["labels"] = json!({ "pod-template-hash": "h" });
    pod["metadata"]["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{name}-h"), "uid": "u", "controller": true }]);
    pod
}

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "isthmus/app"}]}
        }}
    })
}

fn metric(item: &Value, name: &str) -> Value {
    item["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == name).unwrap()["value"].clone()
}

fn counts(item: &Value) -> (Value, Value) {
    (metric(item, "success_count"), metric(item, "failure_count"))
}

/// `web` called `blue` 28 times, and twice it failed; `blue` was called by another mesh, too.
async fn traffic(world: &World) -> Vec<crate::proxy::Proxy> {
    shop(world).await;
    for name in ["web", "blue"] {
        world.apply(deployment(name)).await;
        let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::namespaced(world.client.clone(), "shop");
        let patch = json!({"metadata": deployed(name)["metadata"]});
        pods.patch(&format!("{name}-1"), &Default::default(), &kube::api::Patch::Merge(patch)).await.unwrap();
    }
    let split = json!({
        "apiVersion": "split.smi-spec.io/v1alpha4", "kind": "TrafficSplit", "metadata": {"name": "s", "namespace": "shop"},
        "spec": {"service": "web", "backends": [{"service": "blue", "weight": 90}, {"service": "green", "weight": 10}]}
    });
    world.apply(split).await;
    let (web, blue) = (world.proxy("web-1", "web").await, world.proxy("blue-1", "blue").await);
    let outbound = proto::Edge {
        backend: object("blue"),
        split: object("s"),
        ..edge(proto::Direction::Outbound, workload("isthmus.local", "blue"), [28, 2])
    };
    web.traffic(2000, vec![outbound]).await;
    let inbound = edge(proto::Direction::Inbound, workload("isthmus.local", "web"), [28, 2]);
    let abroad = edge(proto::Direction::Inbound, workload("west.local", "cron"), [1000, 0]);
    blue.traffic(2000, vec![inbound, abroad]).await;
    world.served().await;
    vec![web, blue]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_proxies_tell_is_read_through_the_api_server() {
    let mut world = World::start().await;
    let _proxies = traffic(&world).await;
    world
        .until("all has been taken in", async || {
            let blue = world.metrics("/namespaces/shop/deployments/blue?t=10m").await;
            let split = world.metrics("/namespaces/shop/trafficsplits/s?t=10m").await;
            counts(&blue) == (json!("1028"), json!("2")) && counts(&split["items"][0]) == (json!("28"), json!("2"))
        })
        .await;
    let blue = world.metrics("/namespaces/shop/deployments/blue?t=10m").await;
    assert_eq!(
        (&blue["kind"], &blue["window"], &blue["apiVersion"]),
        (&json!("TrafficMetrics"), &json!("10m0s"), &json!("metrics.smi-spec.io/v1alpha1"))
    );
    assert_eq!(blue["resource"], json!({"kind": "Deployment", "namespace": "shop", "name": "blue"}));
    assert_eq!(blue["edge"], json!({"direction": "from", "side": "server", "resource": {}}));
    assert_eq!(blue["metadata"]["selfLink"], format!("{BASE}/namespaces/shop/deployments/blue"));
    let names: Vec<_> =
        blue["metrics"].as_array().unwrap().iter().map(|metric| metric["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["p99_response_latency", "p90_response_latency", "p50_response_latency", "success_count", "failure_count"]
    );
    // All within 25 to 50 ms.
    assert_eq!(metric(&blue, "p50_response_latency"), "37500m");
    assert_eq!(blue["metrics"][0]["unit"], "ms");

    let edges = world.metrics("/namespaces/shop/deployments/blue/edges?t=10m").await;
    let peers: Vec<_> = edges["items"].as_array().unwrap().iter().map(|item| item["edge"].clone()).collect();
    let peer = |extra: Value| json!({"direction": "from", "side": "server", "resource": extra});
    assert_eq!(
        peers,
        [
            peer(json!({"kind": "Deployment", "namespace": "shop", "name": "web"})),
            peer(json!({"kind": "Deployment", "namespace": "shop", "name": "cron", "mesh": "west.local"})),
        ]
    );
    assert_eq!(edges["resource"], json!({"kind": "Deployment", "namespace": "shop", "name": "blue"}));

    let split = world.metrics("/namespaces/shop/trafficsplits/s?t=10m").await;
    let backend = |n: usize| split["items"][n]["backend"].clone();
    assert_eq!(backend(0), json!({"apex": "web", "name": "blue", "weight": 90}));
    assert_eq!(backend(1), json!({"apex": "web", "name": "green", "weight": 10}));
    assert_eq!(counts(&split["items"][1]), (json!("0"), json!("0")));

    // Every resource, in every scope, with and without edges.
    for (path, items) in [
        // With the controller's own.
        ("/deployments", 3),
        ("/namespaces/shop/deployments", 2),
        ("/namespaces/other/deployments", 0),
        ("/deployments?labelSelector=app%3Dblue", 1),
        ("/namespaces/shop/deployments?labelSelector=app%20notin%20(blue,web)", 0),
        ("/deployments?fieldSelector=metadata.name%3Dweb", 1),
        ("/namespaces/shop/pods/", 2),
        ("/namespaces/shop/pods/blue-1/edges?t=10m", 2),
        ("/namespaces/shop/services/blue/edges?t=10m", 2),
        ("/namespaces/shop/services?limit=1", 2),
        ("/namespaces/shop/edges?t=10m", 3),
        ("/namespaces/shop/trafficsplits/s/edges?t=10m", 1),
        ("/trafficsplits", 2),
        ("/daemonsets", 0),
        ("/jobs", 0),
        ("/nodes", 0),
        ("/replicasets", 0),
        ("/replicationcontrollers", 0),
        ("/statefulsets", 0),
    ] {
        let list = world.metrics(path).await;
        assert_eq!(list["kind"], "TrafficMetricsList", "{path}");
        assert_eq!(list["items"].as_array().unwrap().len(), items, "{path}: {list}");
    }
    // No traffic of its own: a number, not nothing.
    assert_eq!(counts(&world.metrics("/namespaces/shop/deployments/web").await), (json!("0"), json!("0")));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discovery_tables_and_errors_are_what_kubernetes_clients_expect() {
    let mut world = World::start().await;
    let _proxies = traffic(&world).await;
    let plain = "application/json";
    let (_, _, resources) = get(&world.client, BASE, plain).await;
    let all = resources["resources"].as_array().unwrap();
    assert_eq!((resources["kind"].as_str().unwrap(), all.len()), ("APIResourceList", 22));
    let groups = world.client.list_api_groups().await.unwrap();
    assert!(groups.groups.iter().any(|group| group.name == "metrics.smi-spec.io"));
    let (_, _, found) =
        get(&world.client, "/apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList").await;
    let ours = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["metadata"]["name"] == "metrics.smi-spec.io")
        .unwrap();
    let resources = ours["versions"][0]["resources"].as_array().unwrap();
    assert_eq!(resources.len(), 11);
    // kubectl goes from a resource to its kind and back: it must come out where it went in.
    let kinds: std::collections::BTreeSet<_> =
        resources.iter().map(|r| r["responseKind"]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 11);

    let (_, _, table) = get(
        &world.client,
        &format!("{BASE}/namespaces/shop/deployments?t=10m"),
        "application/json;as=Table;v=v1;g=meta.k8s.io",
    )
    .await;
    assert_eq!(table["kind"], "Table");
    let columns: Vec<_> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(columns[..3], ["Name", "Success", "RPS"]);
    for row in table["rows"].as_array().unwrap() {
        assert_eq!(row["cells"].as_array().unwrap().len(), columns.len());
        assert_eq!(row["object"]["metadata"]["namespace"], "shop");
    }
    for (path, code, says) in [
        ("/namespaces/shop/deployments/nobody", 404, "deployments.metrics.smi-spec.io \"nobody\" not found"),
        ("/namespaces/shop/deployments/nobody/edges", 404, "not found"),
        ("/widgets", 404, "there are daemonsets"),
        ("/pods?t=1s", 400, "from 10s to 1h"),
        ("/pods?side=both", 400, "client or server"),
        ("/trafficsplits?side=server", 400, "decided by clients"),
        ("/pods?labelSelector=%21%21", 400, ""),
        ("/pods?source=prometheus", 400, "--prometheus-url"),
        ("/pods?watch=1", 405, "can't be watched"),
    ] {
        let (status, _, body) = get(&world.client, &format!("{BASE}{path}"), plain).await;
        assert_eq!((status, &body["kind"], &body["code"]), (code, &json!("Status"), &json!(code)), "{path}: {body}");
        assert!(body["message"].as_str().unwrap().contains(says), "{path}: {body}");
    }
    let (status, _, body) = get(&world.client, &format!("{BASE}/pods"), "application/yaml").await;
    assert_eq!((status, &body["reason"]), (406, &json!("NotAcceptable")), "{body}");
    let request = http::Request::head(format!("{BASE}/pods")).body(kube::client::Body::empty()).unwrap();
    assert_eq!(world.client.send(request).await.unwrap().status(), 200);
    world.stop().await;
}
