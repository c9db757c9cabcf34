use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::plan::{count, least_useful};
use super::pods::{is_active, of_template};
use super::*;
use crate::controllers::objects::is_controlled_by;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn set(min_ready: i32) -> ReplicaSet {
    serde_json::from_value(json!({
        "metadata": { "name": "web-a", "namespace": "shop", "uid": "u" },
        "spec": {
            "replicas": 2, "minReadySeconds": min_ready, "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" }, "annotations": { "a": "b" } },
                "spec": { "containers": [{ "name": "c", "image": "i" }] },
            },
        },
    }))
    .unwrap()
}

fn pod(name: &str, phase: &str, ready_since: Option<i64>, more: Value) -> Pod {
    let ready = ready_since
        .map(|at_second| json!({ "type": "Ready", "status": "True", "lastTransitionTime": at(at_second).to_string() }));
    let mut pod = json!({
        "metadata": { "name": name, "labels": { "app": "web" }, "creationTimestamp": at(0).to_string() },
        "spec": { "nodeName": "n", "containers": [] },
        "status": { "phase": phase, "conditions": ready.into_iter().collect::<Vec<_>>() },
    });
    for (name, value) in more.as_object().unwrap() {
        pod["metadata"][name] = value.clone();
    }
    serde_json::from_value(pod).unwrap()
}

#[test]
fn pods_are_made_from_the_template_and_owned() {
    let set = set(0);
    let pod = of_template(set.spec.as_ref().unwrap().template.as_ref().unwrap(), &set);
    assert_eq!(pod.metadata.generate_name.as_deref(), Some("web-a-"));
    assert_eq!(pod.annotations().get("a").unwrap(), "b");
    assert!(is_controlled_by(&pod.metadata, "u"));
    assert_eq!(pod.metadata.owner_references.unwrap()[0].block_owner_deletion, Some(true));
}

#[test]
fn ready_pods_are_available_after_min_ready_seconds() {
    let pods = [
        pod("a", "Running", Some(0), json!({})),
        pod("b", "Running", Some(5), json!({})),
        pod("c", "Running", None, json!({ "labels": {} })),
        pod("d", "Failed", None, json!({})),
        pod("e", "Running", Some(0), json!({ "deletionTimestamp": at(1).to_string() })),
    ];
    assert_eq!(pods.iter().filter(|pod| is_active(pod)).count(), 3);
    let counts = count(&set(10), &pods, at(11));
    assert_eq!((counts.replicas, counts.fully_labeled, counts.ready, counts.available), (3, 2, 2, 1));
    assert_eq!(counts.next_available, Some(Duration::from_secs(4)));
    assert_eq!(count(&set(0), &pods, at(11)).available, 2);
}

#[test]
fn the_least_useful_pods_go_first() {
    let cost = |cost: &str| json!({ "annotations": { "controller.kubernetes.io/pod-deletion-cost": cost } });
    let young = json!({ "creationTimestamp": at(50).to_string() });
    let pods = [
        pod("old", "Running", Some(1), json!({})),
        pod("cheap", "Running", Some(1), cost("-5")),
        pod("young", "Running", Some(60), young),
        pod("pending", "Pending", None, json!({})),
        pod("unready", "Running", None, json!({})),
    ];
    let order: Vec<_> = least_useful(&pods, 4).into_iter().map(ResourceExt::name_any).collect();
    assert_eq!(order, ["pending", "unready", "cheap", "young"]);
}
