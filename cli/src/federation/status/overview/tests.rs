#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::{super::text::text, *};

const CONDITION_TIME: &str = "2026-01-02T03:04:05Z";

fn condition(kind: &str, status: &str, message: &str) -> Value {
    let reason = if status == "True" { kind } else { "Not" };
    json!({ "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": CONDITION_TIME })
}

fn mesh(hub: &Value) -> Mesh {
    serde_json::from_value(json!({
        "apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "Mesh", "metadata": { "name": "east" },
        "spec": { "trustDomain": "east.local", "hub": { "address": "100.64.0.10:15030", "identity": "spiffe://east.local/ns/isthmus-system/sa/isthmus-hub" } },
        "status": { "bundle": { "sequence": 3, "digest": "sha256:0a", "document": "{}" }, "hub": hub }
    }))
    .unwrap()
}

fn overview(own: Option<&Mesh>, peers: &[MeshPeer], imports: &[ImportedService]) -> Overview {
    let export = json!({
        "apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "ExportedService",
        "metadata": { "name": "catalog", "namespace": "shop" }, "spec": { "to": ["west", "north"] },
        "status": { "conditions": [condition("Accepted", "True", ""), condition("Programmed", "False", "1 of 2 gateways have it")] }
    });
    let exports = [serde_json::from_value(export).unwrap()];
    Overview::of(
        (&"east".parse().unwrap(), &TrustDomain::new("east.local").unwrap()),
        own,
        peers,
        &exports,
        imports,
        Some("Steady: root 0a1b".into()),
    )
}

fn peer(conditions: &Value) -> MeshPeer {
    serde_json::from_value(json!({
        "apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "MeshPeer", "metadata": { "name": "west" },
        "spec": { "trustDomain": "west.local" },
        "status": {
            "conditions": conditions, "bundle": { "sequence": 2, "digest": "sha256:0b", "document": "{}" },
            "trustPropagated": "7/7", "acknowledged": 3, "lastContact": CONDITION_TIME,
            "catalogs": [{ "cluster": "west", "sequence": 9, "digest": "sha256:0c", "state": "Fresh", "services": 1 }]
        }
    }))
    .unwrap()
}

fn imported() -> ImportedService {
    serde_json::from_value(json!({
        "apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "ImportedService",
        "metadata": { "name": "catalog-west", "namespace": "shop" },
        "spec": { "from": { "mesh": "west", "service": "catalog" } },
        "status": { "state": "Fresh", "endpoints": 2, "conditions": [condition("Accepted", "True", "")] }
    }))
    .unwrap()
}

#[test]
fn a_mesh_that_is_joined_is_told_as_it_is() {
    let own = mesh(&json!({ "connected": true }));
    let peers = [peer(&json!([condition("Connected", "True", ""), condition("TrustPropagated", "True", "")]))];
    let text = text(&overview(Some(&own), &peers, &[imported()]));
    assert_eq!(
        text,
        "mesh          east
trust domain  east.local
bundle        sequence 3, sha256:0a
root          Steady: root 0a1b
hub           100.64.0.10:15030, connected

PEER   TRUST DOMAIN   STATE       BUNDLE   TRUST PROPAGATED   TRUSTS US   CATALOGS         LAST CONTACT
west   west.local     Connected   2        7/7                3           west 9 (Fresh)   2026-01-02T03:04:05Z

EXPORT         SERVICE   TO            STATE
shop/catalog   catalog   west, north   Not: 1 of 2 gateways have it

IMPORT              FROM                SERVICE        FRESHNESS   ENDPOINTS   STATE
shop/catalog-west   west/shop/catalog   catalog-west   Fresh       2           Imported
"
    );
}

#[test]
fn what_is_missing_is_said() {
    let text = text(&overview(None, &[], &[]));
    for line in [
        "bundle        not published yet",
        "hub           none: this mesh is alone",
        "no peers; `isthmus federation invite`",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("IMPORT"));
}

#[test]
fn the_first_condition_that_is_not_true_says_why() {
    let own = mesh(&json!({ "connected": false, "error": "connection refused" }));
    let fault = peer(&json!([
        condition("TrustPropagated", "False", "6/7"),
        condition("Connected", "False", "not heard of for 40 s")
    ]));
    let mut leaving = peer(&json!([condition("Connected", "True", "")]));
    leaving.metadata.deletion_timestamp = Some(Time("2026-01-02T03:04:05Z".parse().unwrap()));
    let overview = overview(Some(&own), &[fault, leaving], &[]);
    assert_eq!(overview.peers[0].state, "Not: not heard of for 40 s");
    assert_eq!(overview.peers[1].state, "being revoked");
    assert!(text(&overview).contains("not connected: connection refused"));
    let json = serde_json::to_value(&overview).unwrap();
    assert_eq!(json["peers"][0]["trustPropagated"], "7/7");
    assert_eq!(json["hub"]["connected"], false);
}
