use std::collections::BTreeSet;

use isthmus_federation::catalog::{Endpoint, Service};
use serde_json::json;

use super::*;
use crate::{
    compile::{self, Reader},
    testing::{index_of, object, with},
};

const SECOND: Duration = Duration::from_secs(1);

fn west() -> MeshName {
    "west".parse().unwrap()
}

fn cluster(name: &str) -> Cluster {
    name.parse().unwrap()
}

/// A catalog with the service shop/catalog: a port, and a pod.
fn exports(created_at: i64, port: (&str, u16), token: &str) -> Arc<Exports> {
    let endpoint = Endpoint {
        spiffe_id: "spiffe://west.local/ns/shop/sa/catalog".parse().unwrap(),
        ready: BTreeSet::from([port.1]),
        flat: BTreeMap::new(),
    };
    let service = Service {
        created_at,
        ports: BTreeMap::from([(port.1, Port { name: port.0.into(), app_protocol: String::new() })]),
        endpoints: BTreeMap::from([(token.parse().unwrap(), endpoint)]),
    };
    let services = BTreeMap::from([(ObjectName::new("shop", "catalog"), Arc::new(service))]);
    Arc::new(Exports { services, gateways: BTreeSet::from(["192.0.2.1:15443".parse().unwrap()]) })
}

fn import(status: serde_json::Value) -> Import {
    let spec = json!({"from": {"mesh": "west"}, "maxStale": "5m"});
    let index = index_of([with(object("ImportedService", "catalog", spec), "/status", status)]);
    let reader = Reader::new(&index);
    compile::outlook(&reader).imports[0].import.content.clone()
}

fn empty() -> Import {
    import(json!({"state": "Expired"}))
}

fn held(now: Instant) -> Catalogs {
    let mut catalogs = Catalogs::default();
    let exports = exports(1, ("http", 80), "aaaa");
    catalogs.take(west(), cluster("west"), 7, exports.digest(), exports, now);
    catalogs
}

#[test]
fn an_import_takes_its_service_out_of_the_catalog() {
    let now = Instant::now();
    let content = held(now).content(&empty(), now);
    assert_eq!(content.state, Freshness::Fresh);
    let [of_cluster] = &content.clusters[..] else { panic!("{content:?}") };
    assert_eq!(
        (of_cluster.cluster.as_str(), of_cluster.gateways.as_slice()),
        ("west", &["192.0.2.1:15443".to_owned()][..])
    );
    assert_eq!((of_cluster.endpoints[0].token.as_str(), of_cluster.endpoints[0].ports.as_slice()), ("aaaa", &[80][..]));
    assert_eq!(held(now).ports(&empty()).unwrap()[&80].name, "http");
}

#[test]
fn it_ages_from_fresh_to_stale_to_expired_and_a_sign_of_life_makes_it_fresh() {
    let start = Instant::now();
    let mut catalogs = held(start);
    let state = |catalogs: &Catalogs, seconds: u32| catalogs.content(&empty(), start + SECOND * seconds).state;
    assert_eq!(state(&catalogs, 30), Freshness::Fresh);
    assert_eq!(state(&catalogs, 31), Freshness::Stale);
    assert_eq!(state(&catalogs, 301), Freshness::Expired);
    catalogs.beat(&west(), &cluster("west"), 7, 1, start + SECOND * 40);
    assert_eq!(state(&catalogs, 60), Freshness::Fresh);
    catalogs.beat(&west(), &cluster("west"), 7, 1, start + SECOND * 90);
    assert_eq!(state(&catalogs, 91), Freshness::Stale, "the same sign of life again says nothing");
}

#[test]
fn after_a_restart_an_import_keeps_what_it_had_as_stale_until_its_mesh_is_heard() {
    let now = Instant::now();
    let before = held(now);
    let status = json!({"state": "Fresh", "catalog": before.content(&empty(), now).clusters});
    let mut after = Catalogs::default();
    after.restore(west(), &before.status(&west(), now), SECOND, now);
    let content = after.content(&import(status.clone()), now);
    assert_eq!((content.state, content.clusters[0].endpoints.len()), (Freshness::Stale, 1));
    assert_eq!(after.floors(&west()), before.floors(&west()));
    assert_eq!(after.ports(&import(status.clone())), None, "the Service stays as it is");
    let exports = exports(1, ("http", 80), "bbbb");
    after.take(west(), cluster("west"), 8, exports.digest(), exports, now);
    let content = after.content(&import(status), now);
    assert_eq!((content.state, content.clusters[0].endpoints[0].token.as_str()), (Freshness::Fresh, "bbbb"));
}

#[test]
fn the_name_of_a_gateway_becomes_addresses_once_they_are_found_and_keeps_them_over_a_restart() {
    let now = Instant::now();
    let host: HostName = "gateway.west.example".parse().unwrap();
    let named = Exports {
        gateways: BTreeSet::from(["gateway.west.example:15443".parse().unwrap()]),
        ..(*exports(1, ("http", 80), "aaaa")).clone()
    };
    let mut catalogs = Catalogs::default();
    catalogs.take(west(), cluster("west"), 7, named.digest(), Arc::new(named), now);
    let gateways = |catalogs: &Catalogs, import: &Import| catalogs.content(import, now).clusters[0].gateways.clone();
    assert_eq!((catalogs.ask(now), catalogs.ask(now)), (vec![host.clone()], vec![]));
    assert_eq!(gateways(&catalogs, &empty()), Vec::<String>::new());
    catalogs.found(&host, Ok(vec!["192.0.2.8".parse().unwrap()]), now);
    assert_eq!(gateways(&catalogs, &empty()), ["192.0.2.8:15443"]);
    let status = catalogs.status(&west(), now);
    assert_eq!(status[0].gateways, ["gateway.west.example:15443"]);

    let known = json!({"state": "Fresh", "catalog": catalogs.content(&empty(), now).clusters});
    let mut after = Catalogs::default();
    after.restore(west(), &status, SECOND, now);
    assert_eq!(
        (gateways(&after, &import(known)), after.ask(now)),
        (vec!["192.0.2.8:15443".to_owned()], vec![host.clone()])
    );
    after.found(&host, Err("SERVFAIL".into()), now);
    assert_eq!(after.status(&west(), now)[0].names[0].failure.as_deref(), Some("SERVFAIL"));
    after.retain(|_| false);
    assert_eq!(after.ask(now), [], "nobody's names are asked for");
}

#[test]
fn of_several_clusters_the_oldest_export_names_the_ports_and_the_others_differ_in_sight() {
    let now = Instant::now();
    let mut catalogs = held(now);
    let other = exports(2, ("grpc", 80), "bbbb");
    catalogs.take(west(), cluster("west-2"), 1, other.digest(), other, now);
    let content = catalogs.content(&empty(), now);
    let names: Vec<_> = content.clusters.iter().map(|c| c.ports[0].name.as_str()).collect();
    assert_eq!(names, ["http", "grpc"]);
    assert_eq!(catalogs.ports(&empty()).unwrap()[&80].name, "http");
    assert_eq!(catalogs.conflicts(&west()).len(), 1);
    catalogs.withdraw(&west(), &cluster("west-2"));
    assert_eq!((catalogs.content(&empty(), now).clusters.len(), catalogs.conflicts(&west()).len()), (1, 0));
}

#[test]
fn of_a_mesh_that_is_no_peer_any_more_nothing_is_left() {
    let now = Instant::now();
    let mut catalogs = held(now);
    catalogs.retain(|_| false);
    assert_eq!(
        catalogs.content(&empty(), now),
        Content { state: Freshness::Expired, clusters: vec![], conflicts: vec![] }
    );
    assert_eq!(catalogs.status(&west(), now), []);
}
