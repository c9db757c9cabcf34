use super::*;

fn owner_of(labels: &serde_json::Value, owners: &serde_json::Value) -> Option<(String, String)> {
    let metadata =
        serde_json::json!({ "namespace": "shop", "name": "web-5b6c-x2x", "labels": labels, "ownerReferences": owners });
    let pod: k8s::Pod = serde_json::from_value(serde_json::json!({ "metadata": metadata })).unwrap();
    let owned = read(&pod).owned?;
    assert_eq!(owned.pod(), "web-5b6c-x2x");
    Some((owned.kind().to_owned(), owned.name().to_owned()))
}

fn owner(kind: &str, name: &str) -> serde_json::Value {
    serde_json::json!([{ "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1", "controller": true }])
}

#[test]
fn a_pod_is_its_topmost_owners() {
    let hash = serde_json::json!({ "pod-template-hash": "5b6c" });
    let rollout = serde_json::json!({ "rollouts-pod-template-hash": "5b6c" });
    let none = serde_json::json!({});
    let named = |kind: &str, name: &str| Some((kind.to_owned(), name.to_owned()));
    assert_eq!(owner_of(&hash, &owner("ReplicaSet", "web-5b6c")), named("Deployment", "web"));
    assert_eq!(owner_of(&rollout, &owner("ReplicaSet", "web-5b6c")), named("Rollout", "web"));
    assert_eq!(owner_of(&none, &owner("ReplicaSet", "web-5b6c")), named("ReplicaSet", "web-5b6c"));
    assert_eq!(owner_of(&hash, &owner("ReplicaSet", "web-other")), named("ReplicaSet", "web-other"));
    assert_eq!(owner_of(&hash, &owner("StatefulSet", "web-5b6c")), named("StatefulSet", "web-5b6c"));
    assert_eq!(owner_of(&none, &owner("Job", "report")), named("Job", "report"));
    assert_eq!(owner_of(&none, &serde_json::json!([])), named("Pod", "web-5b6c-x2x"));
    // One that doesn't manage the pod isn't what it belongs to.
    let bystander = serde_json::json!([{ "apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "1" }]);
    assert_eq!(owner_of(&none, &bystander), named("Pod", "web-5b6c-x2x"));
    assert_eq!(owner_of(&none, &owner("Ro\u{1b}le", "web")), None);
}
