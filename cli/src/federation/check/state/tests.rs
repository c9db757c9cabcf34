#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

fn condition(kind: &str, status: &str) -> Value {
    json!({ "type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-01-02T03:04:05Z" })
}

fn peer(status: &Value) -> MeshPeer {
    serde_json::from_value(json!({
        "apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "MeshPeer", "metadata": { "name": "west" },
        "spec": { "trustDomain": "west.local" }, "status": status
    }))
    .unwrap()
}

fn bundle(sequence: u64, digest: &str) -> BundleStatus {
    BundleStatus { sequence, digest: digest.into(), document: "{}".into() }
}

fn fault(found: Found) -> String {
    found.unwrap_err().what
}

#[test]
fn a_mesh_without_object_or_bundle_is_told_apart() {
    assert_eq!(fault(published("east", None)), "there is no Mesh east");
    let mut own: Mesh = serde_json::from_value(json!({
        "apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "Mesh", "metadata": { "name": "east" },
        "spec": { "trustDomain": "east.local" }
    }))
    .unwrap();
    assert!(fault(published("east", Some(&own))).contains("no bundle"));
    assert!(fault(session(&own)).contains("hasn't tried"));
    let bundle = bundle(2, "sha256:0a");
    own.status = Some(isthmus_k8s::federation::MeshStatus { bundle: Some(bundle), ..Default::default() });
    assert_eq!(published("east", Some(&own)).unwrap(), "sequence 2, sha256:0a");
}

#[test]
fn a_session_is_open_or_its_error_is_the_fault() {
    let own = |hub: Value| -> Mesh {
        serde_json::from_value(json!({
            "apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "Mesh", "metadata": { "name": "east" },
            "spec": { "trustDomain": "east.local" }, "status": { "hub": hub }
        }))
        .unwrap()
    };
    assert!(session(&own(json!({ "connected": true }))).is_ok());
    assert_eq!(fault(session(&own(json!({ "connected": false, "error": "refused" })))), "refused");
}

#[test]
fn a_peer_is_connected_when_both_sides_agree() {
    let both = json!({ "conditions": [condition("Accepted", "True"), condition("Connected", "True")] });
    assert!(connected(&peer(&both)).is_ok());
    let one = json!({ "conditions": [condition("Accepted", "True"), condition("Connected", "False")] });
    assert_eq!(fault(connected(&peer(&one))), "R: m");
    assert_eq!(fault(connected(&peer(&json!({})))), "no condition Accepted yet");
}

#[test]
fn clocks_may_differ_by_five_minutes() {
    let ahead = |seconds: i64| peer(&json!({ "clockAheadSeconds": seconds }));
    assert_eq!(clocks(&peer(&json!({}))).unwrap(), "");
    assert_eq!(clocks(&ahead(-300)).unwrap(), "300 s behind");
    assert_eq!(fault(clocks(&ahead(301))), "the clock of west's controller is 301 s ahead");
    assert_eq!(fault(clocks(&ahead(i64::MIN))), format!("the clock of west's controller is {} s behind", 1_u64 << 63));
}

#[test]
fn trust_is_there_when_every_proxy_holds_the_newest_bundle() {
    let held = json!({ "sequence": 2, "digest": "sha256:0b", "document": "{}" });
    let all = peer(&json!({ "bundle": held, "trustPropagated": "7/7" }));
    assert_eq!(trusted(&all, None).unwrap(), "sequence 2, 7/7 proxies");
    assert!(trusted(&all, Some(&bundle(2, "sha256:0b"))).is_ok());
    assert!(fault(trusted(&all, Some(&bundle(3, "sha256:0c")))).contains("west has sequence 3"));
    let behind = peer(&json!({ "bundle": held, "trustPropagated": "6/7" }));
    assert!(fault(trusted(&behind, None)).starts_with("6/7"));
    // Of the proxies that are counted, all; but there may be others.
    let unknown =
        json!({ "bundle": held, "trustPropagated": "7/7", "conditions": [condition("TrustPropagated", "False")] });
    assert_eq!(fault(trusted(&peer(&unknown), None)), "m");
    assert!(fault(trusted(&peer(&json!({})), None)).contains("no bundle of west"));
    let uncounted = peer(&json!({ "bundle": held }));
    assert!(fault(trusted(&uncounted, None)).contains("nobody has counted"));
}

#[test]
fn the_peer_must_hold_our_newest_bundle() {
    let own = bundle(3, "sha256:0a");
    assert!(acknowledged(&peer(&json!({ "acknowledged": 3 })), Some(&own)).is_ok());
    assert!(fault(acknowledged(&peer(&json!({ "acknowledged": 2 })), Some(&own))).contains("hold sequence 2"));
    assert!(fault(acknowledged(&peer(&json!({})), Some(&own))).contains("acknowledged no bundle"));
}

#[test]
fn one_fresh_catalog_is_enough_and_none_says_whom_to_ask() {
    let catalog = |cluster: &str, state: &str| json!({ "cluster": cluster, "sequence": 4, "digest": "sha256:0d", "state": state, "services": 1 });
    let one = peer(&json!({ "catalogs": [catalog("w1", "Stale"), catalog("w2", "Fresh")] }));
    assert_eq!(fresh(&one).unwrap(), "w1 sequence 4 with 1 services, Stale; w2 sequence 4 with 1 services, Fresh");
    let none = fresh(&peer(&json!({ "catalogs": [catalog("w1", "Expired")] }))).unwrap_err();
    assert!(none.what.contains("Expired") && none.remedy.contains("maxStale"));
    let nothing = fresh(&peer(&json!({}))).unwrap_err();
    assert!(nothing.remedy.contains("have west apply an ExportedService"));
}

#[test]
fn an_import_can_be_called_when_it_has_endpoints_that_are_not_expired() {
    let import = |status: Value| -> ImportedService {
        serde_json::from_value(json!({
            "apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "ImportedService",
            "metadata": { "name": "catalog-west", "namespace": "shop" },
            "spec": { "from": { "mesh": "west" } }, "status": status
        }))
        .unwrap()
    };
    assert_eq!(imported(&import(json!({ "state": "Stale", "endpoints": 2 }))).unwrap(), "2 endpoints, Stale");
    assert!(fault(imported(&import(json!({ "state": "Fresh", "endpoints": 0 })))).contains("no endpoint"));
    assert!(fault(imported(&import(json!({ "state": "Expired", "endpoints": 2 })))).contains("maxStale"));
    let wrong = json!({ "state": "Fresh", "endpoints": 2, "conditions": [condition("ResolvedRefs", "False")] });
    assert_eq!(fault(imported(&import(wrong))), "R: m");
}

#[test]
fn gateways_that_moved_are_seen_when_both_sides_are_asked() {
    let catalogs = json!([{
        "cluster": "west", "sequence": 4, "digest": "sha256:0d", "state": "Fresh", "services": 1,
        "gateways": ["100.64.1.10:15443"]
    }]);
    let peer = peer(&json!({ "catalogs": catalogs }));
    assert_eq!(gateways(&peer, &["100.64.1.10:15443".into()]).unwrap(), "100.64.1.10:15443");
    assert!(fault(gateways(&peer, &["100.64.1.11:15443".into()])).contains("west has 100.64.1.11:15443"));
    assert!(fault(gateways(&peer, &[])).contains("no gateway"));
}

#[test]
fn names_of_gateways_are_looked_at_where_there_are_any() {
    assert!(named(&peer(&json!({}))).is_none());
    let with = |status| peer(&json!({ "conditions": [condition("GatewaysResolved", status)] }));
    assert_eq!(named(&with("True")).unwrap().unwrap(), "m");
    assert_eq!(fault(named(&with("False")).unwrap()), "m");
}
