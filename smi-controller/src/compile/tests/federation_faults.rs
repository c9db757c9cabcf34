//! What users are told of objects of federation that can't work, each with the remedy.

use serde_json::{Value, json};

use isthmus_core::id::ObjectName;
use isthmus_federation::member::ToldConflict;

use crate::{
    fault::Kind,
    index::{Facts, Index, Told, Update},
    testing::*,
};

fn said(index: &Index, kind: Kind, name: &str) -> Vec<(&'static str, String)> {
    faults(index, kind, name).into_iter().map(|fault| (fault.reason.as_str(), fault.message)).collect()
}

/// The only fault.
fn one(index: &Index, kind: Kind, name: &str) -> (&'static str, String) {
    let all = said(index, kind, name);
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().unwrap()
}

fn export(spec: Value) -> Value {
    object("ExportedService", "web", spec)
}

fn meshed() -> Vec<Value> {
    vec![
        peer("west"),
        service("web", "10.43.0.10", &[80]),
        slice("web", &[("p80", 8080)], &[("web-1", "10.42.0.11")]),
        pod("web-1", "web", "10.42.0.11"),
    ]
}

fn with_shop(more: impl IntoIterator<Item = Value>) -> Index {
    index_of(meshed().into_iter().chain(more))
}

#[test]
fn good_objects_have_no_faults() {
    let mesh = global(
        "Mesh",
        "isthmus",
        json!({"trustDomain": "isthmus.local", "gateways": ["192.0.2.9:15443"],
        "hub": {"address": "hub.example:15030", "identity": "spiffe://east.local/ns/isthmus-system/sa/isthmus-hub"}}),
    );
    let index = with_shop([
        mesh,
        export(json!({"to": ["west"]})),
        import("catalog", "west", catalog("west", &[("http", 80)], &[("aaaa", "c")])),
    ]);
    for (kind, name) in [
        (Kind::Mesh, "isthmus"),
        (Kind::MeshPeer, "west"),
        (Kind::ExportedService, "web"),
        (Kind::ImportedService, "catalog"),
    ] {
        assert_eq!(said(&index, kind, name), []);
    }
}

#[test]
fn an_export_of_what_is_not_there() {
    let of = |spec| one(&with_shop([export(spec)]), Kind::ExportedService, "web");
    let (reason, message) = of(json!({"service": "nobody", "to": ["west"]}));
    assert!(reason == "ServiceNotFound" && message.contains("shop/nobody"), "{message}");
    let (reason, message) = of(json!({"ports": [80, 99], "to": ["west"]}));
    assert!(reason == "PortMismatch" && message.contains("no TCP port 99; it has 80"), "{message}");
    let (reason, message) = of(json!({"to": ["west", "south"]}));
    assert!(reason == "PeerNotFound" && message.contains("no MeshPeer south: join"), "{message}");
    let (reason, message) = of(json!({"to": ["west", "West"]}));
    assert!(reason == "InvalidName" && message.starts_with("spec.to[1]"), "{message}");
}

#[test]
fn an_export_that_other_meshes_could_not_call() {
    let headless = with(service("db", "None", &[80]), "/metadata/name", json!("web"));
    let index = index_of([peer("west"), headless, export(json!({"to": ["west"]}))]);
    let (reason, message) = one(&index, Kind::ExportedService, "web");
    assert!(reason == "UnsupportedService" && message.contains("headless"), "{message}");
    let plain = with(pod("web-1", "web", "10.42.0.11"), "/spec/initContainers", json!([]));
    let (reason, message) = one(&with_shop([plain, export(json!({"to": ["west"]}))]), Kind::ExportedService, "web");
    assert!(reason == "NoMeshedPods" && message.contains("isthmus.mesh/inject=enabled"), "{message}");
}

fn imports(spec: Value, clusters: Vec<Value>) -> Value {
    let mut import = object("ImportedService", "catalog", spec);
    import["status"] = json!({"state": "Fresh", "catalog": clusters});
    import
}

fn west() -> Value {
    catalog("west", &[("http", 80)], &[("aaaa", "c")])
}

#[test]
fn an_import_of_what_is_not_exported_says_whom_to_ask() {
    let missing = imports(json!({"from": {"mesh": "west"}}), vec![]);
    let (reason, message) = one(&with_shop([missing.clone()]), Kind::ImportedService, "catalog");
    assert_eq!(reason, "ExportNotFound");
    assert!(message.ends_with("ask mesh west to export shop/catalog to isthmus"), "{message}");
    let silent = with(peer("west"), "/status/catalogs", json!([]));
    assert_eq!(one(&with_shop([silent, missing]), Kind::ImportedService, "catalog").0, "PeerNotHeard");
    let nowhere = imports(json!({"from": {"mesh": "south"}}), vec![]);
    assert_eq!(one(&with_shop([nowhere]), Kind::ImportedService, "catalog").0, "PeerNotFound");
}

#[test]
fn an_import_under_a_name_that_is_taken() {
    let taken = imports(json!({"from": {"mesh": "west"}, "as": "web"}), vec![west()]);
    let (reason, message) = one(&with_shop([taken]), Kind::ImportedService, "catalog");
    assert!(reason == "NameConflict" && message.contains("it stays as it is"), "{message}");
    let younger = imports(json!({"from": {"mesh": "west"}, "as": "books"}), vec![west()]);
    let younger = with(younger, "/metadata/creationTimestamp", json!("2026-05-01T00:00:00Z"));
    let index = with_shop([younger, import("books", "west", west())]);
    let (reason, message) = one(&index, Kind::ImportedService, "catalog");
    assert!(reason == "NameConflict" && message.contains("ImportedService books is older"), "{message}");
    assert_eq!(said(&index, Kind::ImportedService, "books"), []);
}

#[test]
fn an_import_whose_own_fields_are_wrong() {
    let of = |spec| one(&with_shop([imports(spec, vec![west()])]), Kind::ImportedService, "catalog");
    let (reason, message) = of(json!({"from": {"mesh": "west"}, "maxStale": "5 minutes"}));
    assert!(reason == "InvalidDuration" && message.contains("90s, 5m or 1h"), "{message}");
    let (reason, message) = of(json!({"from": {"mesh": "west"}, "as": "Books"}));
    assert!(reason == "InvalidName" && message.starts_with("spec.as"), "{message}");
    assert_eq!(of(json!({"from": {"mesh": "west", "service": "a.b"}})).0, "InvalidName");
    assert_eq!(of(json!({"from": {"mesh": "West"}})).0, "InvalidName");
}

#[test]
fn clusters_of_a_mesh_that_differ_in_their_ports() {
    let other = with(catalog("west", &[("grpc", 80)], &[]), "/cluster", json!("west-2"));
    let both = imports(json!({"from": {"mesh": "west"}}), vec![west(), other]);
    assert_eq!(
        said(&with_shop([both.clone()]), Kind::ImportedService, "catalog"),
        [],
        "until the leader has compared them"
    );
    let differ = json!([{"port": 80, "field": "name", "winner": "west", "loser": "west-2"}]);
    let (reason, message) =
        one(&with_shop([with(both, "/status/conflicts", differ)]), Kind::ImportedService, "catalog");
    assert_eq!(reason, "ExportConflict");
    assert!(message.contains("west's export (http/80) is older and counts, not west-2's (grpc/80)"), "{message}");
}

#[test]
fn an_export_that_another_mesh_finds_different_in_another_cluster() {
    let told = |loser: &str| Told {
        by: "west".parse().unwrap(),
        conflict: ToldConflict {
            service: ObjectName::new("shop", "web"),
            port: 80,
            winner: "isthmus".parse().unwrap(),
            loser: loser.parse().unwrap(),
            field: "name".into(),
        },
    };
    let mut index = with_shop([export(json!({"to": ["west"]}))]);
    let tell = |index: &mut Index, told: Vec<Told>| {
        let told = (!told.is_empty()).then(|| (ObjectName::new("shop", "web"), told.into_iter().collect()));
        let mut facts = Facts::new();
        index.update(Update::Told(told.into_iter().collect()), &mut facts);
        facts.len()
    };
    assert_eq!(tell(&mut index, vec![told("two")]), 1);
    let (reason, message) = one(&index, Kind::ExportedService, "web");
    assert_eq!(reason, "ExportConflict");
    assert!(message.starts_with("as mesh west sees it, clusters isthmus and two of this mesh"), "{message}");
    assert_eq!(tell(&mut index, vec![told("two")]), 0, "nothing has changed");
    assert_eq!(tell(&mut index, vec![]), 1);
    assert_eq!(said(&index, Kind::ExportedService, "web"), []);
}

#[test]
fn the_own_mesh_is_to_be_imported_from_when_it_has_other_clusters() {
    let mesh =
        |clusters: Value| global("Mesh", "isthmus", json!({"trustDomain": "isthmus.local", "clusters": clusters}));
    let own = imports(json!({"from": {"mesh": "isthmus"}}), vec![]);
    let (reason, message) = one(&with_shop([own.clone()]), Kind::ImportedService, "catalog");
    assert!(reason == "PeerNotFound" && message.contains("spec.clusters"), "{message}");
    let both = mesh(json!(["isthmus", "two"]));
    let (reason, message) = one(&with_shop([own, both.clone()]), Kind::ImportedService, "catalog");
    assert!(reason == "ExportNotFound" && message.ends_with("to: [isthmus]"), "{message}");
    assert_eq!(said(&with_shop([export(json!({"to": ["isthmus"]})), both]), Kind::ExportedService, "web"), []);
    for (clusters, field) in [
        (json!(["one", "two"]), "spec.clusters: this cluster, isthmus,"),
        (json!(["isthmus", "isthmus"]), "spec.clusters[1]: isthmus is there twice"),
        (json!(["isthmus", "Two"]), "spec.clusters[1]: cluster name"),
    ] {
        let (reason, message) = one(&index_of([mesh(clusters)]), Kind::Mesh, "isthmus");
        assert!(reason == "InvalidName" && message.starts_with(field), "{message}");
    }
}

#[test]
fn a_failover_for_what_is_not_there_or_does_not_fit() {
    let of = |service: &str, clusters| {
        let spec = json!({"from": {"mesh": "west"}, "failoverFor": [{"service": service}]});
        one(&with_shop([imports(spec, clusters)]), Kind::ImportedService, "catalog")
    };
    let (reason, message) = of("nobody", vec![west()]);
    assert!(reason == "ServiceNotFound" && message.contains("shop/nobody"), "{message}");
    let (reason, message) = of("web", vec![catalog("west", &[("http", 8000)], &[])]);
    assert!(reason == "PortMismatch" && message.contains("port 80 of Service shop/web"), "{message}");
}

#[test]
fn a_peer_whose_trust_domain_could_be_taken_for_another() {
    let of = |domain: &str| {
        let peer = global("MeshPeer", "other", json!({"trustDomain": domain}));
        let peer = with(peer, "/metadata/creationTimestamp", json!("2026-05-01T00:00:00Z"));
        one(&with_shop([peer]), Kind::MeshPeer, "other")
    };
    for domain in
        ["isthmus.local", "isthmus-local", "1sthmus.local", "west.local", "WEST.local", "wеst.local", "west.local."]
    {
        let (reason, message) = of(domain);
        assert!(reason == "InvalidTrustDomain" && message.starts_with("spec.trustDomain"), "{domain}: {message}");
    }
    let (reason, message) = of("south.local");
    assert!(reason == "BundleMissing" && message.contains("spec.bundleDigest"), "{message}");
}

#[test]
fn a_peer_that_is_this_mesh_or_has_no_digest() {
    let own = global("MeshPeer", "isthmus", json!({"trustDomain": "south.local"}));
    assert_eq!(one(&index_of([own]), Kind::MeshPeer, "isthmus").0, "InvalidName");
    let bad = global("MeshPeer", "south", json!({"trustDomain": "south.local", "bundleDigest": "sha256:beef"}));
    assert_eq!(said(&index_of([bad]), Kind::MeshPeer, "south")[0].0, "InvalidDigest");
    let unreadable = with(peer("south"), "/status/bundle/document", json!("{}"));
    let all = said(&index_of([unreadable]), Kind::MeshPeer, "south");
    assert!(all.iter().any(|(reason, _)| *reason == "BundleUnreadable"), "{all:?}");
}

#[test]
fn a_mesh_object_that_disagrees_with_its_controller() {
    let mesh = |spec| index_of([global("Mesh", "isthmus", spec)]);
    let (reason, message) = one(&mesh(json!({"trustDomain": "other.local"})), Kind::Mesh, "isthmus");
    assert!(reason == "InvalidTrustDomain" && message.ends_with("write isthmus.local"), "{message}");
    let hub = |address: &str, identity: &str| json!({"trustDomain": "isthmus.local", "hub": {"address": address, "identity": identity}});
    let id = "spiffe://east.local/ns/isthmus-system/sa/isthmus-hub";
    assert_eq!(one(&mesh(hub("hub.example", id)), Kind::Mesh, "isthmus").0, "InvalidAddress");
    assert_eq!(one(&mesh(hub(":15030", id)), Kind::Mesh, "isthmus").0, "InvalidAddress");
    assert_eq!(one(&mesh(hub("hub.example:15030", "hub")), Kind::Mesh, "isthmus").0, "InvalidSpiffeId");
    let gateways = json!({"trustDomain": "isthmus.local", "gateways": ["gateway.example:15443", "gateway:15443"]});
    let (reason, message) = one(&mesh(gateways), Kind::Mesh, "isthmus");
    assert!(
        reason == "InvalidAddress" && message.starts_with("spec.gateways[1]: host \"gateway\" must be"),
        "{message}"
    );
}

#[test]
fn an_identity_of_a_mesh_that_is_not_joined_names_nobody() {
    let binding = |id: &str| object("IdentityBinding", "b", json!({"schemes": {"spiffeIdentities": [id]}}));
    let of = |id: &str| reasons(&with_shop([binding(id)]), Kind::IdentityBinding, "b");
    assert_eq!(of("south.local/ns/shop/*"), ["IdentityNotFound"]);
    assert_eq!(of("west.local/ns/shop/*"), Vec::<&str>::new());
    assert_eq!(of("isthmus.local/ns/shop/sa/x"), Vec::<&str>::new());
}
