use isthmus_core::{
    destination::{Destination, ProtocolHint, Share},
    http_match::HttpRequest,
    split::Splitter,
};
use serde_json::{Value, json};

use crate::{
    fault::{Effect, Kind},
    index::Index,
    testing::*,
};

/// Three Services on port 8080, each with one pod; `web` is the root.
fn shop() -> Vec<Value> {
    let mut all = Vec::new();
    for (i, name) in ["web", "blue", "green"].into_iter().enumerate() {
        let ip = format!("10.42.0.1{i}");
        all.push(service(name, &format!("10.43.0.1{i}"), &[8080]));
        all.push(slice(name, &[("p8080", 8080)], &[(&format!("{name}-pod"), &ip)]));
        all.push(pod(&format!("{name}-pod"), name, &ip));
    }
    all
}

fn split(name: &str, root: &str, backends: &[(&str, i64)]) -> Value {
    let backends: Vec<Value> = backends.iter().map(|(s, w)| json!({"service": s, "weight": w})).collect();
    object("TrafficSplit", name, json!({"service": root, "backends": backends}))
}

fn shop_with(more: impl IntoIterator<Item = Value>) -> Index {
    index_of(shop().into_iter().chain(more))
}

fn of_split(index: &Index) -> Vec<&'static str> {
    reasons(index, Kind::TrafficSplit, "s")
}

/// How many of 50 requests each backend gets; the root's own endpoints last.
fn fifty(index: &Index) -> Vec<usize> {
    let route = route(index, "10.43.0.10", 8080);
    let backends = route.split.unwrap().backends;
    let mut wrr = Splitter::new(backends.iter().map(|(_, weight)| *weight));
    let mut counts = vec![0; backends.len() + 1];
    for _ in 0..50 {
        counts[wrr.pick().unwrap_or(backends.len())] += 1;
    }
    counts
}

fn share(index: &Index, agent: &'static str) -> Share {
    let mut headers = http::HeaderMap::new();
    headers.insert("user-agent", http::HeaderValue::from_static(agent));
    let request = HttpRequest { method: "GET", path: "/", authority: "web", headers: &headers };
    route(index, "web", 8080).share_of(request)
}

#[test]
fn a_service_is_reached_by_address_and_by_every_name() {
    let index = shop_with([]);
    for host in
        ["10.43.0.10", "web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "web.shop.svc.cluster.local."]
    {
        let route = route(&index, host, 8080);
        assert_eq!((route.root.service.name.as_ref(), addresses(&route.root)), ("web", vec!["10.42.0.10:8080".into()]));
    }
    assert_eq!(reach(&index, "10.43.0.10", 81), Destination::Unknown);
    assert_eq!(reach(&index, "10.43.9.9", 8080), Destination::Unknown);
    assert_eq!(reach(&index, "www.example.com", 443), Destination::Unknown);
}

#[test]
fn an_endpoint_has_the_identity_of_its_pod_only_if_that_has_a_proxy() {
    let plain = with(pod("blue-pod", "blue", "10.42.0.11"), "/spec/initContainers", json!([]));
    let index = shop_with([plain]);
    let identity = |host| route(&index, host, 8080).root.endpoints[0].identity.as_ref().map(ToString::to_string);
    assert_eq!(identity("green").as_deref(), Some("spiffe://isthmus.local/ns/shop/sa/green"));
    assert_eq!(identity("blue"), None);
}

#[test]
fn a_pod_is_reached_by_its_own_address_and_a_headless_service_by_its_pods() {
    let headless = with(service("db", "None", &[5432]), "/spec/clusterIPs", json!(["None"]));
    let index = shop_with([headless, slice("db", &[("p5432", 5432)], &[("web-pod", "10.42.0.10")])]);
    let Destination::Workload(direct) = reach(&index, "10.42.0.10", 9999) else { panic!() };
    assert_eq!((direct.addr.port(), direct.workload.as_ref()), (9999, "shop/web-pod"));
    assert_eq!(direct.identity.unwrap().service_account(), Some(("shop", "web")));
    assert_eq!(addresses(&route(&index, "db", 5432).root), ["10.42.0.10:5432"]);
}

#[test]
fn a_port_that_bypasses_the_proxy_is_called_in_plaintext() {
    let bypassing = with(
        pod("web-pod", "web", "10.42.0.10"),
        "/metadata/annotations",
        json!({"isthmus.mesh/skip-inbound-ports": "9000"}),
    );
    let index = shop_with([bypassing]);
    let identity = |port| match reach(&index, "10.42.0.10", port) {
        Destination::Workload(endpoint) => endpoint.identity,
        other => panic!("{other:?}"),
    };
    assert!(identity(8080).is_some());
    assert_eq!(identity(9000), None, "there is nobody at that port to prove it");
}

#[test]
fn only_ready_endpoints_count() {
    let slice = with(
        slice("web", &[("p8080", 8080)], &[("a", "10.42.0.20"), ("b", "10.42.0.21")]),
        "/endpoints/0/conditions/ready",
        json!(false),
    );
    let index = shop_with([slice, pod("a", "web", "10.42.0.20"), pod("b", "web", "10.42.0.21")]);
    assert_eq!(addresses(&route(&index, "web", 8080).root), ["10.42.0.21:8080"]);
}

#[test]
fn a_protocol_is_known_from_app_protocol_or_the_ports_name() {
    let hint = |port: Value| {
        let index = index_of([object("Service", "x", json!({"clusterIP": "10.43.0.9", "ports": [port]}))]);
        route(&index, "x", 80).protocol
    };
    assert_eq!(hint(json!({"port": 80, "name": "grpc-api"})), ProtocolHint::Http2);
    assert_eq!(hint(json!({"port": 80, "name": "http", "appProtocol": "kubernetes.io/h2c"})), ProtocolHint::Http2);
    assert_eq!(hint(json!({"port": 80, "name": "mysql"})), ProtocolHint::Opaque);
    assert_eq!(hint(json!({"port": 80, "name": "http-web"})), ProtocolHint::Detect);
    assert_eq!(hint(json!({"port": 80})), ProtocolHint::Detect);
}

#[test]
fn vector_weights_one_to_zero_are_fifty_to_none() {
    let index = shop_with([split("s", "web", &[("blue", 1), ("green", 0)])]);
    assert_eq!(
        shares(&route(&index, "web", 8080)),
        [("blue".into(), 1, vec!["10.42.0.11:8080".into()]), ("green".into(), 0, vec!["10.42.0.12:8080".into()]),]
    );
    assert_eq!(fifty(&index), [50, 0, 0]);
    assert_eq!(of_split(&index), Vec::<&str>::new());
}

#[test]
fn vector_a12_a_backend_without_the_roots_port_is_left_out_with_an_event() {
    let index = shop_with([service("blue", "10.43.0.11", &[1024]), split("s", "web", &[("blue", 50), ("green", 50)])]);
    assert_eq!(shares(&route(&index, "web", 8080)), [("green".into(), 50, vec!["10.42.0.12:8080".into()])]);
    assert_eq!(fifty(&index), [50, 0]);
    let faults = faults(&index, Kind::TrafficSplit, "s");
    assert_eq!((faults.len(), faults[0].reason.as_str(), faults[0].effect), (1, "PortMismatch", Effect::Unresolved));
    assert!(faults[0].message.contains("blue") && faults[0].message.contains("8080"), "{}", faults[0].message);
}

#[test]
fn a12_ports_are_compared_one_by_one() {
    let index = shop_with([
        service("web", "10.43.0.10", &[8080, 9090]),
        service("blue", "10.43.0.11", &[9090, 8080]),
        split("s", "web", &[("blue", 1), ("green", 1)]),
    ]);
    assert_eq!(shares(&route(&index, "web", 8080)).len(), 2);
    assert_eq!(shares(&route(&index, "web", 9090)).len(), 1);
    assert_eq!(of_split(&index), ["PortMismatch"]);
}

#[test]
fn vector_target_port_is_that_of_each_backend() {
    let index = shop_with([
        slice("green", &[("p8080", 8081)], &[("green-pod", "10.42.0.12")]),
        split("s", "web", &[("green", 1)]),
    ]);
    assert_eq!(shares(&route(&index, "web", 8080)), [("green".into(), 1, vec!["10.42.0.12:8081".into()])]);
}

fn agents(name: &str, pattern: &str) -> Value {
    object("HTTPRouteGroup", name, json!({"matches": [{"name": "ua", "headers": [{"user-agent": pattern}]}]}))
}

fn matched(groups: Value) -> Value {
    with(split("s", "web", &[("blue", 0), ("green", 100)]), "/spec/matches", groups)
}

#[test]
fn a8_vector_what_no_match_covers_goes_to_the_roots_own_endpoints() {
    let refs = json!([{"kind": "HTTPRouteGroup", "name": "firefox"}]);
    let index = shop_with([agents("firefox", ".*Firefox.*"), matched(refs)]);
    assert_eq!(share(&index, "Mozilla Firefox/133"), Share::Split);
    assert_eq!(share(&index, "Chrome"), Share::Root);
    assert_eq!(route(&index, "web", 8080).share_of_tcp(), Share::Root);
}

#[test]
fn vector_of_two_groups_the_second_may_match() {
    let refs = json!([{"kind": "HTTPRouteGroup", "name": "firefox"}, {"kind": "HTTPRouteGroup", "name": "safari"}]);
    let index = shop_with([agents("firefox", "Firefox"), agents("safari", "Safari"), matched(refs)]);
    assert_eq!(share(&index, "Safari"), Share::Split);
    assert_eq!(share(&index, "Chrome"), Share::Root);
}

#[test]
fn a16_a_split_whose_group_is_missing_splits_nothing_until_it_appears() {
    let refs = json!([{"kind": "HTTPRouteGroup", "name": "firefox"}]);
    let mut index = shop_with([matched(refs)]);
    assert_eq!((of_split(&index), share(&index, "Firefox")), (vec!["RouteNotFound"], Share::Root));
    index.update(applied(agents("firefox", "Firefox")), &mut crate::index::Facts::new());
    assert_eq!((of_split(&index), share(&index, "Firefox")), (vec![], Share::Split));
}

#[test]
fn a24_an_api_group_is_optional_and_another_group_matches_nothing() {
    for group in [json!(""), json!("specs.smi-spec.io"), Value::Null] {
        let refs = json!([{"apiGroup": group, "kind": "HTTPRouteGroup", "name": "firefox"}]);
        let index = shop_with([agents("firefox", "Firefox"), matched(refs)]);
        assert_eq!((share(&index, "Firefox"), of_split(&index)), (Share::Split, vec![]));
    }
    let refs = json!([{"apiGroup": "example.com", "kind": "HTTPRouteGroup", "name": "firefox"}]);
    let index = shop_with([agents("firefox", "Firefox"), matched(refs)]);
    assert_eq!((share(&index, "Firefox"), of_split(&index)), (Share::Root, vec!["UnsupportedKind"]));
}

#[test]
fn a6_a_backend_may_be_the_root_and_means_its_own_endpoints() {
    let index = shop_with([split("s", "web", &[("web", 90), ("green", 10)])]);
    assert_eq!(shares(&route(&index, "web", 8080))[0], ("web".into(), 90, vec!["10.42.0.10:8080".into()]));
    assert_eq!(of_split(&index), Vec::<&str>::new());
}

#[test]
fn a7_the_oldest_split_of_a_root_wins_then_the_first_name() {
    let older = with(split("z", "web", &[("green", 1)]), "/metadata/creationTimestamp", json!("2025-01-01T00:00:00Z"));
    let index = shop_with([split("s", "web", &[("blue", 1)]), older.clone()]);
    assert_eq!(shares(&route(&index, "web", 8080))[0].0, "green");
    let faults = faults(&index, Kind::TrafficSplit, "s");
    assert_eq!((faults[0].reason.as_str(), faults[0].effect), ("DuplicateSplit", Effect::Excluded));
    assert!(reasons(&index, Kind::TrafficSplit, "z").is_empty());
    let same_age = shop_with([split("z", "web", &[("green", 1)]), split("s", "web", &[("blue", 1)])]);
    assert_eq!(shares(&route(&same_age, "web", 8080))[0].0, "blue");
}

#[test]
fn a7_when_the_winner_goes_the_next_takes_effect() {
    let older = with(split("z", "web", &[("green", 1)]), "/metadata/creationTimestamp", json!("2025-01-01T00:00:00Z"));
    let mut index = shop_with([split("s", "web", &[("blue", 1)]), older]);
    index.update(deleted("TrafficSplit", "z"), &mut crate::index::Facts::new());
    assert_eq!(shares(&route(&index, "web", 8080))[0].0, "blue");
    assert!(of_split(&index).is_empty());
}

#[test]
fn a9_all_weights_zero_leave_the_roots_own_endpoints() {
    let index = shop_with([split("s", "web", &[("blue", 0), ("green", 0)])]);
    assert_eq!(fifty(&index), [0, 0, 50]);
}

#[test]
fn a10_a_missing_backend_is_left_out_and_the_others_share() {
    let index = shop_with([split("s", "web", &[("gone", 80), ("green", 20)])]);
    assert_eq!((fifty(&index), of_split(&index)), (vec![50, 0], vec!["BackendNotFound"]));
    let none = shop_with([split("s", "web", &[("gone", 80)])]);
    assert_eq!((fifty(&none), of_split(&none)), (vec![50], vec!["BackendNotFound"]), "the root's own endpoints");
}

#[test]
fn a11_a_backend_without_ready_endpoints_keeps_its_weight() {
    let index = shop_with([slice("blue", &[("p8080", 8080)], &[]), split("s", "web", &[("blue", 50), ("green", 50)])]);
    assert_eq!(shares(&route(&index, "web", 8080))[0], ("blue".into(), 50, vec![]));
    assert_eq!(fifty(&index), [25, 25, 0]);
}

#[test]
fn a13_the_root_may_be_written_in_every_form_of_its_own_namespace() {
    for root in ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "web.shop.svc.cluster.local."] {
        let index = shop_with([split("s", root, &[("green", 1)])]);
        assert_eq!((fifty(&index), of_split(&index)), (vec![50, 0], vec![]), "{root}");
    }
    let index = shop_with([split("s", "web.other", &[("green", 1)])]);
    assert!(route(&index, "web", 8080).split.is_none());
    assert_eq!(of_split(&index), ["NamespaceMismatch"]);
    let index = shop_with([split("s", "www.example.com", &[("green", 1)])]);
    assert_eq!(of_split(&index), ["InvalidRoot"]);
}

#[test]
fn a23_a_weight_that_is_no_whole_number_counts_as_zero() {
    for weight in [json!(-5), json!(0.5), json!(4_294_967_296_u64)] {
        let bad = with(split("s", "web", &[("blue", 1), ("green", 1)]), "/spec/backends/0/weight", weight);
        let index = shop_with([bad]);
        assert_eq!((fifty(&index), of_split(&index)), (vec![0, 50, 0], vec!["InvalidWeight"]));
    }
    let whole = with(split("s", "web", &[("blue", 1), ("green", 1)]), "/spec/backends/0/weight", json!(3.0));
    assert_eq!(shares(&route(&shop_with([whole]), "web", 8080))[0].1, 3);
}

#[test]
fn a29_headless_and_external_services_are_not_split() {
    let headless = with(service("blue", "None", &[8080]), "/spec/clusterIPs", json!(["None"]));
    let external = object("Service", "green", json!({"type": "ExternalName", "externalName": "x.example.com"}));
    let index = shop_with([headless, external, split("s", "web", &[("blue", 1), ("green", 1)])]);
    assert_eq!(of_split(&index), ["UnsupportedService", "UnsupportedService"]);
    assert!(shares(&route(&index, "web", 8080)).is_empty());
    let root = with(service("web", "None", &[8080]), "/spec/clusterIPs", json!(["None"]));
    let index = shop_with([root, split("s", "web", &[("green", 1)])]);
    assert_eq!(of_split(&index), ["UnsupportedService"]);
    assert!(route(&index, "web", 8080).split.is_none());
    let index = index_of([object("Service", "out", json!({"type": "ExternalName", "externalName": "x.example.com"}))]);
    assert_eq!(reach(&index, "out", 80), Destination::Unknown);
}

#[test]
fn a33_splits_are_not_followed_and_cycles_are_harmless() {
    let index = shop_with([split("s", "web", &[("blue", 1)]), split("t", "blue", &[("web", 1)])]);
    assert_eq!(shares(&route(&index, "web", 8080)), [("blue".into(), 1, vec!["10.42.0.11:8080".into()])]);
    assert_eq!(shares(&route(&index, "blue", 8080)), [("web".into(), 1, vec!["10.42.0.10:8080".into()])]);
    let faults = faults(&index, Kind::TrafficSplit, "s");
    assert_eq!((faults[0].reason.as_str(), faults[0].effect), ("NestedSplit", Effect::Hint));
}

#[test]
fn a_root_that_does_not_exist_is_told() {
    let index = shop_with([split("s", "gone", &[("green", 1)])]);
    assert_eq!(of_split(&index), ["RootNotFound"]);
}

#[test]
fn a_malformed_split_keeps_its_last_good_form_and_shows_its_fault() {
    let bad = with(split("s", "web", &[("green", 1)]), "/spec/backends", json!("none"));
    let mut index = shop_with([split("s", "web", &[("blue", 1)]), bad]);
    assert_eq!(shares(&route(&index, "web", 8080))[0].0, "blue");
    let faults = faults(&index, Kind::TrafficSplit, "s");
    assert_eq!((faults[0].reason.as_str(), faults[0].effect), ("Malformed", Effect::Excluded));
    index.update(applied(split("s", "web", &[("green", 1)])), &mut crate::index::Facts::new());
    assert_eq!((shares(&route(&index, "web", 8080))[0].0.as_str(), of_split(&index)), ("green", vec![]));
}
