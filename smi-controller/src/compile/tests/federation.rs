//! Meshes that are joined: what callers, callees and gateways get of exports and imports.

use std::collections::BTreeSet;

use isthmus_core::{
    destination::Endpoint,
    gateway::{Found, NotRouted, Routes},
    id::{ObjectName, TrustDomain},
    inbound::Source,
};
use serde_json::{Value, json};

use crate::{
    compile::{self, Reader},
    index::{Facts, Index},
    testing::*,
};

fn catalog_import() -> Value {
    import("catalog", "west", catalog("west", &[("http", 80)], &[("aaaa", "catalog"), ("bbbb", "catalog")]))
}

/// West's catalog, imported.
fn joined() -> Vec<Value> {
    vec![peer("west"), catalog_import(), imported("catalog", "10.43.0.20", &[80])]
}

fn endpoints(index: &Index, ip: &str) -> Vec<Endpoint> {
    route(index, ip, 80).root.endpoints.to_vec()
}

fn names(endpoints: &[Endpoint]) -> Vec<&str> {
    endpoints.iter().map(|e| e.remote.as_ref().map_or("local", |remote| &*remote.server_name)).collect()
}

fn gateways(ready: &[(&str, &str)]) -> Value {
    with(slice("isthmus-gateway", &[("mesh", 15443)], ready), "/metadata/namespace", json!("isthmus-system"))
}

fn own_mesh(spec: Value) -> Value {
    let mut mesh = global("Mesh", "isthmus", json!({"trustDomain": "isthmus.local"}));
    mesh["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    mesh
}

fn routes(index: &Index) -> Routes {
    compile::routes(&Reader::new(index))
}

fn find<'r>(routes: &'r Routes, name: &str) -> Result<Found<'r>, NotRouted> {
    routes.find(&name.parse().unwrap())
}

#[test]
fn an_import_has_an_endpoint_for_each_remote_pod_and_gateway() {
    let two = with(catalog_import(), "/status/catalog/0/gateways", json!(["192.0.2.1:15443", "192.0.2.2:15443"]));
    let index = index_of([peer("west"), two, imported("catalog", "10.43.0.20", &[80])]);
    let all = endpoints(&index, "10.43.0.20");
    assert_eq!(all.len(), 4);
    let first = &all[0];
    assert_eq!(first.addr.to_string(), "192.0.2.1:15443");
    assert_eq!(first.identity.as_ref().unwrap().as_str(), "spiffe://west.local/ns/shop/sa/catalog");
    assert_eq!((&*first.workload, first.priority), ("west/shop/catalog/aaaa", 0));
    let remote = first.remote.as_ref().unwrap();
    assert_eq!(&*remote.server_name, "aaaa.p80.catalog.shop.svc.west.mesh");
    assert_eq!((remote.mesh.as_str(), remote.stale), ("west", false));
}

#[test]
fn pods_are_called_straight_only_where_both_sides_call_the_network_flat() {
    let told = json!([{"port": 80, "address": "10.77.0.5:8080"}]);
    let told = with(catalog_import(), "/status/catalog/0/endpoints/0/addresses", told);
    let flat = with(peer("west"), "/spec/flatNetwork", json!(true));
    let of = |peer: &Value, import: &Value| {
        let index = index_of([peer.clone(), import.clone(), imported("catalog", "10.43.0.20", &[80])]);
        let all = endpoints(&index, "10.43.0.20");
        assert_eq!(names(&all)[0], "aaaa.p80.catalog.shop.svc.west.mesh");
        all.iter().map(|endpoint| endpoint.addr.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of(&flat, &told), ["10.77.0.5:8080", "192.0.2.1:15443"], "of the other no address is known");
    assert_eq!(of(&peer("west"), &told), ["192.0.2.1:15443"; 2]);
    assert_eq!(of(&flat, &catalog_import()), ["192.0.2.1:15443"; 2]);
}

#[test]
fn a_service_that_is_not_the_imports_own_is_left_alone() {
    let index = index_of([
        peer("west"),
        catalog_import(),
        service("catalog", "10.43.0.20", &[80]),
        slice("catalog", &[("p80", 8080)], &[("a", "10.42.0.1")]),
        pod("a", "catalog", "10.42.0.1"),
    ]);
    assert_eq!(names(&endpoints(&index, "10.43.0.20")), ["local"]);
}

#[test]
fn what_is_left_of_an_import_calls_nobody() {
    let gateway = with(slice("catalog", &[("p80", 15443)], &[]), "/endpoints", json!([{"addresses": ["192.0.2.1"]}]));
    let index = index_of([peer("west"), imported("catalog", "10.43.0.20", &[80]), gateway]);
    assert_eq!(endpoints(&index, "10.43.0.20"), [], "a gateway understands no plaintext");
}

#[test]
fn stale_endpoints_say_so_and_expired_ones_are_withdrawn() {
    let state = |state: &str| with(catalog_import(), "/status/catalog/0/state", json!(state));
    let of = |import| index_of([peer("west"), import, imported("catalog", "10.43.0.20", &[80])]);
    let stale = endpoints(&of(state("Stale")), "10.43.0.20");
    assert!(stale.len() == 2 && stale.iter().all(|e| e.remote.as_ref().unwrap().stale));
    assert_eq!(endpoints(&of(state("Expired")), "10.43.0.20"), []);
}

#[test]
fn a_mesh_names_no_workload_of_another() {
    let forged = with(
        catalog_import(),
        "/status/catalog/0/endpoints/0/identity",
        json!("spiffe://isthmus.local/ns/shop/sa/web"),
    );
    let index = index_of([peer("west"), forged, imported("catalog", "10.43.0.20", &[80])]);
    assert_eq!(names(&endpoints(&index, "10.43.0.20")), ["bbbb.p80.catalog.shop.svc.west.mesh"]);
}

#[test]
fn without_the_peer_or_its_bundle_nothing_is_called() {
    let unknown = with(peer("west"), "/status", json!({}));
    let leaving = with(peer("west"), "/metadata/deletionTimestamp", json!("2026-02-01T00:00:00Z"));
    for peer in [None, Some(unknown), Some(leaving)] {
        let index = index_of(peer.into_iter().chain([catalog_import(), imported("catalog", "10.43.0.20", &[80])]));
        assert_eq!(endpoints(&index, "10.43.0.20"), []);
    }
}

#[test]
fn where_pods_may_not_leave_the_mesh_calls_go_by_its_own_gateways() {
    let mut all = joined();
    all.extend([own_mesh(json!({"egress": true})), gateways(&[("g1", "10.42.0.8"), ("g2", "10.42.0.9")])]);
    let index = index_of(all);
    let addresses: BTreeSet<_> = endpoints(&index, "10.43.0.20").iter().map(|e| e.addr.to_string()).collect();
    assert_eq!(addresses, BTreeSet::from(["10.42.0.8:15443".to_owned(), "10.42.0.9:15443".to_owned()]));
    let routes = routes(&index);
    let west = Found::Gateways(&["192.0.2.1:15443".parse().unwrap()][..])
        == find(&routes, "aaaa.p80.catalog.shop.svc.west.mesh").unwrap();
    assert!(west);
    assert_eq!(find(&routes, "p81.catalog.shop.svc.west.mesh"), Err(NotRouted::NotImported));
    assert_eq!(find(&routes, "p80.catalog.shop.svc.north.mesh"), Err(NotRouted::UnknownMesh));
}

/// A mesh of several clusters, each behind its own gateways.
#[test]
fn own_gateways_find_each_pod_behind_the_gateways_of_its_cluster() {
    let other = with(catalog("west", &[("http", 80)], &[("cccc", "catalog")]), "/cluster", json!("west-2"));
    let other = with(other, "/gateways", json!(["192.0.2.9:15443"]));
    let mut both = catalog_import();
    both["status"]["catalog"].as_array_mut().unwrap().push(other);
    let routes = routes(&index_of([
        peer("west"),
        both,
        imported("catalog", "10.43.0.20", &[80]),
        own_mesh(json!({"egress": true})),
    ]));
    let to = |token: &str| match find(&routes, &format!("{token}.p80.catalog.shop.svc.west.mesh")) {
        Ok(Found::Gateways(gateways)) => gateways[0].to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (to("aaaa"), to("bbbb"), to("cccc")),
        ("192.0.2.1:15443".into(), "192.0.2.1:15443".into(), "192.0.2.9:15443".into())
    );
}

#[test]
fn another_cluster_of_the_own_mesh_is_called_as_another_mesh_is() {
    let catalog = with(catalog("isthmus", &[("http", 80)], &[("aaaa", "catalog")]), "/cluster", json!("two"));
    let all = [import("others", "isthmus", catalog), imported("others", "10.43.0.20", &[80])];
    let web = [
        service("web", "10.43.0.10", &[80]),
        slice("web", &[("p80", 8080)], &[("web-1", "10.42.0.11")]),
        pod("web-1", "web", "10.42.0.11"),
        object("ExportedService", "web", json!({"to": ["isthmus"]})),
    ];
    let all: Vec<_> = all.into_iter().chain(web).collect();
    let alone = index_of(all.iter().cloned().chain([own_mesh(json!({"egress": true}))]));
    assert_eq!(endpoints(&alone, "10.43.0.20"), [], "the mesh names no others");
    assert_eq!(routes(&alone), Routes::none("isthmus".parse().unwrap()));
    let own = own_mesh(json!({"egress": true, "clusters": ["isthmus", "two"]}));
    let index = index_of(all.iter().cloned().chain([own, gateways(&[("g1", "10.42.0.8")])]));
    let [endpoint] = &endpoints(&index, "10.43.0.20")[..] else { panic!() };
    assert_eq!(endpoint.identity.as_ref().unwrap().as_str(), "spiffe://isthmus.local/ns/shop/sa/catalog");
    assert_eq!(names(std::slice::from_ref(endpoint)), ["aaaa.p80.others.shop.svc.isthmus.mesh"]);
    let routes = routes(&index);
    let gateway = "192.0.2.1:15443".parse().unwrap();
    assert_eq!(find(&routes, "aaaa.p80.others.shop.svc.isthmus.mesh"), Ok(Found::Gateways(&[gateway])));
    assert!(matches!(find(&routes, "p80.web.shop.svc.isthmus.mesh"), Ok(Found::Any([_]))), "what it exports itself");
    let outlook = compile::outlook(&Reader::new(&index));
    assert!(outlook.siblings && outlook.exports[&"isthmus".parse().unwrap()].services.len() == 1);
}

#[test]
fn gateways_relay_nothing_outwards_unless_the_mesh_says_so() {
    assert_eq!(find(&routes(&index_of(joined())), "p80.catalog.shop.svc.west.mesh"), Err(NotRouted::UnknownMesh));
}

#[test]
fn a_split_shares_between_local_and_imported_services() {
    let mut all = joined();
    let backends = json!([{"service": "blue", "weight": 80}, {"service": "catalog", "weight": 20}]);
    all.extend([
        service("web", "10.43.0.10", &[80]),
        service("blue", "10.43.0.11", &[80]),
        slice("blue", &[("p80", 8080)], &[("blue-1", "10.42.0.11")]),
        pod("blue-1", "blue", "10.42.0.11"),
        object("TrafficSplit", "s", json!({"service": "web", "backends": backends})),
    ]);
    let route = route(&index_of(all), "10.43.0.10", 80);
    let split = route.split.unwrap();
    let shares: Vec<_> = split.backends.iter().map(|(b, weight)| (names(&b.endpoints), *weight)).collect();
    let west = ["aaaa", "bbbb"].map(|token| format!("{token}.p80.catalog.shop.svc.west.mesh"));
    assert_eq!(shares, [(vec!["local"], 80), (west.iter().map(String::as_str).collect(), 20)]);
}

#[test]
fn an_import_stands_in_for_a_service_behind_its_own_endpoints() {
    let failover = |import: Value, priority: u8| {
        with(import, "/spec/failoverFor", json!([{"service": "reviews", "priority": priority}]))
    };
    let index = index_of([
        peer("west"),
        peer("north"),
        service("reviews", "10.43.0.30", &[80]),
        slice("reviews", &[("p80", 8080)], &[("r", "10.42.0.30")]),
        pod("r", "reviews", "10.42.0.30"),
        failover(import("reviews-west", "west", catalog("west", &[("p80", 8000)], &[("aaaa", "r")])), 2),
        failover(import("reviews-north", "north", catalog("north", &[("other", 80)], &[("cccc", "r")])), 1),
        failover(import("reviews-east", "east", catalog("east", &[("p80", 80)], &[("dddd", "r")])), 1),
    ]);
    let mut found: Vec<_> = endpoints(&index, "10.43.0.30")
        .iter()
        .map(|e| (e.priority, names(std::slice::from_ref(e))[0].to_owned()))
        .collect();
    found.sort();
    // By the port's name where there is one, else by its number; east is no peer.
    let expected = [
        (0, "local"),
        (1, "cccc.p80.reviews-north.shop.svc.north.mesh"),
        (2, "aaaa.p8000.reviews-west.shop.svc.west.mesh"),
    ];
    assert_eq!(found, expected.map(|(priority, name)| (priority, name.to_owned())));
}

/// A Service with a pod, exported to west.
fn exported() -> Vec<Value> {
    vec![
        peer("west"),
        peer("north"),
        service("web", "10.43.0.10", &[80, 81]),
        slice("web", &[("p80", 8080), ("p81", 8081)], &[("web-1", "10.42.0.11"), ("plain", "10.42.0.12")]),
        pod("web-1", "web", "10.42.0.11"),
        with(pod("plain", "web", "10.42.0.12"), "/spec/initContainers", json!([])),
        object("ExportedService", "web", json!({"ports": [80], "to": ["west"]})),
    ]
}

#[test]
fn a_callee_is_told_which_meshes_may_reach_which_of_its_ports() {
    let policy = policy(&index_of(exported()), "web-1");
    assert_eq!(policy.trust_domain, Some(TrustDomain::new("isthmus.local").unwrap()));
    let [export] = &policy.exports[..] else { panic!("{:?}", policy.exports) };
    assert_eq!(export.name, ObjectName::new("shop", "web"));
    assert_eq!(export.ports, BTreeSet::from([8080]));
    assert_eq!(export.to, BTreeSet::from([TrustDomain::new("west.local").unwrap()]));
}

#[test]
fn an_export_to_a_mesh_that_is_revoked_opens_nothing() {
    let mut index = index_of(exported());
    let leaving = with(peer("west"), "/metadata/deletionTimestamp", json!("2026-02-01T00:00:00Z"));
    index.update(applied(leaving), &mut Facts::new());
    assert_eq!(policy(&index, "web-1").exports, []);
    assert_eq!(find(&routes(&index), "p80.web.shop.svc.isthmus.mesh"), Err(NotRouted::NotExported));
}

#[test]
fn gateways_let_in_what_is_exported_and_name_only_pods_that_can_prove_who_they_are() {
    let index = index_of(exported());
    let routes = routes(&index);
    let Ok(Found::Any([target])) = find(&routes, "p80.web.shop.svc.isthmus.mesh") else { panic!("{routes:?}") };
    assert_eq!(target.addr.to_string(), "10.42.0.11:8080");
    assert_eq!(Some(&target.token), index.settings.tokens.of("uid-shop/web-1").as_ref());
    let one = format!("{}.p80.web.shop.svc.isthmus.mesh", target.token);
    assert_eq!(find(&routes, &one), Ok(Found::One(target.addr)));
    assert_eq!(find(&routes, "p81.web.shop.svc.isthmus.mesh"), Err(NotRouted::NotExported));
}

#[test]
fn what_proxies_trust_is_the_meshs_own_and_that_of_each_peer_that_counts() {
    // The younger one could be taken for west.local.
    let twin = global("MeshPeer", "vvest", json!({"trustDomain": "vvest.local"}));
    let twin = with(twin, "/status", json!({"bundle": bundle_status("vvest", 1)}));
    let twin = with(twin, "/metadata/creationTimestamp", json!("2026-03-01T00:00:00Z"));
    let index = index_of([peer("west"), twin, peer("north")]);
    let reader = Reader::new(&index);
    let domains: Vec<_> = compile::bundles(&reader, &[]).iter().map(|b| b.trust_domain.to_string()).collect();
    assert_eq!(domains, ["north.local", "west.local"]);
}

#[test]
fn a_target_names_identities_of_other_meshes() {
    let spiffe = |name: &str| json!({"kind": "SPIFFEIdentity", "name": name});
    let binding = object("IdentityBinding", "b", json!({"schemes": {"spiffeIdentities": ["west.local/ns/batch/*"]}}));
    let index = index_of([
        peer("west"),
        pod("web-1", "web", "10.42.0.11"),
        object("ServiceAccount", "web", json!({})),
        binding,
        object("TCPRoute", "r", json!({"matches": {}})),
        object(
            "TrafficTarget",
            "t",
            json!({"destination": {"kind": "ServiceAccount", "name": "web"},
                "rules": [{"kind": "TCPRoute", "name": "r"}],
                "sources": [spiffe("spiffe://west.local/ns/shop/sa/cart"), spiffe("spiffe://west.local/ns/shop/*"),
                    spiffe("spiffe://west.local"), {"kind": "IdentityBinding", "name": "b"}]}),
        ),
    ]);
    let policy = policy(&index, "web-1");
    let [grant] = &policy.grants[..] else { panic!("{:?}", policy.grants) };
    let below = |text: &str| Source::Below(text.parse().unwrap());
    let expected = [
        Source::Identity("spiffe://west.local/ns/shop/sa/cart".parse().unwrap()),
        below("spiffe://west.local/ns/shop/*"),
        below("spiffe://west.local/ns/batch/*"),
    ];
    assert_eq!(grant.sources, expected);
    assert_eq!(reasons(&index, crate::fault::Kind::TrafficTarget, "t"), ["InvalidSpiffeId"]);
}
