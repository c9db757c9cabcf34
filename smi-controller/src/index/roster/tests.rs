use serde_json::{Value, json};

use super::*;
use crate::testing::{applied, deleted, object, pod};

fn owned(name: &str, kind: &str, owner: &str, labels: Value) -> Value {
    let mut pod = pod(name, "web", "10.42.0.20");
    pod["metadata"]["labels"] = labels;
    pod["metadata"]["ownerReferences"] =
        json!([{ "apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": "u", "controller": true }]);
    pod["spec"]["nodeName"] = json!("node-1");
    pod
}

fn shop(name: &str) -> ObjectName {
    ObjectName::new("shop", name)
}

fn chain(roster: &Roster, pod: &str) -> Vec<String> {
    roster.place(&shop(pod)).unwrap().owners.iter().map(|owner| format!("{}/{}", owner.kind, owner.name)).collect()
}

#[test]
fn a_deployment_is_known_by_its_pods_label() {
    let mut roster = Roster::default();
    let hash = json!({ "pod-template-hash": "7d9f" });
    for manifest in [
        owned("web-7d9f-x", "ReplicaSet", "web-7d9f", hash.clone()),
        owned("lone-x", "ReplicaSet", "lone", hash),
        owned("roll-5c-x", "ReplicaSet", "roll-5c", json!({ "rollouts-pod-template-hash": "5c" })),
        owned("db-0", "StatefulSet", "db", json!({})),
        pod("bare", "web", "10.42.0.21"),
    ] {
        roster.note(&applied(manifest));
    }
    assert_eq!(chain(&roster, "web-7d9f-x"), ["ReplicaSet/web-7d9f", "Deployment/web"]);
    assert_eq!(chain(&roster, "lone-x"), ["ReplicaSet/lone"]);
    assert_eq!(chain(&roster, "roll-5c-x"), ["ReplicaSet/roll-5c", "Rollout/roll"]);
    assert_eq!(chain(&roster, "db-0"), ["StatefulSet/db"]);
    let bare = roster.workload(&shop("bare")).unwrap();
    assert_eq!((&*bare.kind, &*bare.name), ("Pod", "bare"));
    assert_eq!(&*roster.place(&shop("db-0")).unwrap().node, "node-1");
    assert_eq!(roster.workload(&shop("nobody")), None);
}

#[test]
fn services_select_pods_of_their_own_namespace() {
    let mut roster = Roster::default();
    roster.note(&applied(owned("web-0", "StatefulSet", "web", json!({ "app": "web", "tier": "front" }))));
    for (name, selector) in [
        ("web", json!({ "app": "web" })),
        ("front", json!({ "app": "web", "tier": "front" })),
        ("api", json!({ "app": "api" })),
    ] {
        roster.note(&applied(object("Service", name, json!({ "selector": selector }))));
    }
    roster.note(&applied(object("Service", "none", json!({}))));
    let mut elsewhere = object("Service", "web", json!({ "selector": { "app": "web" } }));
    elsewhere["metadata"]["namespace"] = json!("other");
    roster.note(&applied(elsewhere));
    let names = |roster: &Roster, pod: &str| roster.services(&shop(pod)).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&roster, "web-0"), ["shop/front", "shop/web"]);
    assert!(names(&roster, "nobody").is_empty());
    roster.note(&deleted("Service", "front"));
    assert_eq!(names(&roster, "web-0"), ["shop/web"]);
}

#[test]
fn so_many_pods_that_are_gone_are_remembered_and_no_more() {
    let mut roster = Roster::default();
    for n in 0..=MAX_GONE {
        roster.note(&applied(pod(&format!("web-{n}"), "web", "10.42.0.20")));
        roster.note(&deleted("Pod", &format!("web-{n}")));
        // Whoever comes back is there, and isn't forgotten with those who are gone.
        if n == 1 {
            roster.note(&applied(pod("web-1", "web", "10.42.0.20")));
        }
    }
    assert_eq!((roster.places.len(), roster.gone.len()), (MAX_GONE + 1, MAX_GONE));
    roster.note(&applied(pod("last", "web", "10.42.0.22")));
    roster.note(&deleted("Pod", "last"));
    assert_eq!((roster.places.len(), roster.gone.len()), (MAX_GONE + 1, MAX_GONE));
    assert!(roster.place(&shop("web-0")).is_none() && roster.place(&shop("web-1")).is_some());
}
