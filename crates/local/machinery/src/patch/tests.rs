use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::builtin;

fn schema(group: &str, kind: &str) -> &'static Schema {
    builtin::schema(builtin::by_kind(group, "v1", kind).unwrap()).unwrap()
}

fn pods(original: Value, patch: Value) -> Value {
    strategic_merge(schema("", "Pod"), &original, &patch).unwrap()
}

#[test]
fn a_test_of_null_passes_on_a_missing_path() {
    let patch = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["a/b"]}
    ]);
    let out = json_patch(&json!({"metadata": {"name": "x"}}), &patch).unwrap();
    assert_eq!(out["metadata"]["finalizers"], json!(["a/b"]));
    let error = json_patch(&out, &patch).unwrap_err();
    assert_eq!((error.code, error.reason), (422, "Invalid"));
}

#[test]
fn a_malformed_json_patch_is_a_bad_request() {
    assert_eq!(json_patch(&json!({}), &json!({"op": "add"})).unwrap_err().code, 400);
    assert_eq!(json_patch(&json!({}), &json!([{"op": "remove", "path": "/a"}])).unwrap_err().code, 422);
}

#[test]
fn copies_cannot_blow_an_object_up() {
    let mut patch = vec![json!({"op": "add", "path": "/a", "value": {"x": "y"}})];
    for i in 0..60 {
        patch.push(json!({"op": "copy", "from": "/a", "path": format!("/a/c{i}")}));
    }
    assert_eq!(json_patch(&json!({}), &json!(patch)).unwrap_err().code, 413);
}

#[test]
fn moves_cannot_nest_an_object_without_end() {
    let mut patch = vec![json!({"op": "add", "path": "/x", "value": {}})];
    for _ in 0..200 {
        patch.push(json!({"op": "add", "path": "/y", "value": {}}));
        patch.push(json!({"op": "move", "from": "/x", "path": "/y/x"}));
        patch.push(json!({"op": "move", "from": "/y", "path": "/x"}));
    }
    assert_eq!(json_patch(&json!({}), &json!(patch)).unwrap_err().code, 422);
}

#[test]
fn containers_are_merged_by_name() {
    let original = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}});
    let out =
        pods(original, json!({"spec": {"containers": [{"name": "b", "image": "2"}, {"name": "c", "image": "3"}]}}));
    assert_eq!(
        out["spec"]["containers"],
        json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c", "image": "3"}])
    );
}

#[test]
fn an_item_can_be_deleted_and_a_list_replaced() {
    let original = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
    let out = pods(original.clone(), json!({"spec": {"containers": [{"$patch": "delete", "name": "a"}]}}));
    assert_eq!(out["spec"]["containers"], json!([{"name": "b"}]));
    let out = pods(original, json!({"spec": {"containers": [{"$patch": "replace"}, {"name": "z"}]}}));
    assert_eq!(out["spec"]["containers"], json!([{"name": "z"}]));
}

#[test]
fn an_item_without_its_key_is_refused() {
    let error = strategic_merge(schema("", "Pod"), &json!({}), &json!({"spec": {"containers": [{"image": "x"}]}}));
    assert!(error.unwrap_err().message.contains("does not contain declared merge key: name"));
}

#[test]
fn element_order_is_set_by_the_client() {
    let original = json!({"spec": {"containers": [{"name": "a"}, {"name": "server"}, {"name": "b"}]}});
    let patch = json!({"spec": {
        "$setElementOrder/containers": [{"name": "b"}, {"name": "new"}, {"name": "a"}],
        "containers": [{"name": "new", "image": "x"}]
    }});
    let out = pods(original, patch);
    let names: Vec<&str> =
        out["spec"]["containers"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names, ["server", "b", "new", "a"]);
}

/// The patch that kubectl 1.32 sent, from the merge keys of our OpenAPI document.
#[test]
fn a_recorded_client_side_apply() {
    let original = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "1"}]},
        {"name": "sidecar", "image": "s:1"}
    ]}}}, "metadata": {"labels": {"a": "b", "old": "1"}}});
    let patch = json!({"metadata": {"labels": {"old": null}}, "spec": {"template": {"spec": {
        "$setElementOrder/containers": [{"name": "new"}, {"name": "a"}],
        "containers": [
            {"image": "n:1", "name": "new"},
            {"$setElementOrder/env": [{"name": "X"}], "env": [{"name": "X", "value": "2"}, {"$patch": "delete", "name": "Y"}],
                "image": "a:2", "name": "a", "ports": [{"containerPort": 80}]}
        ]
    }}}});
    let out = strategic_merge(schema("apps", "Deployment"), &original, &patch).unwrap();
    assert_eq!(
        out,
        json!({"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": {"containers": [
            {"name": "new", "image": "n:1"},
            {"name": "a", "image": "a:2", "env": [{"name": "X", "value": "2"}], "ports": [{"containerPort": 80}]},
            {"name": "sidecar", "image": "s:1"}
        ]}}}})
    );
}

#[test]
fn finalizers_are_a_set_of_values() {
    let original = json!({"metadata": {"finalizers": ["a", "b"]}});
    let out =
        pods(original, json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c", "b"]}}));
    assert_eq!(out["metadata"]["finalizers"], json!(["b", "c"]));
}

#[test]
fn retain_keys_drops_the_other_union_members() {
    let original = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let out = strategic_merge(schema("apps", "Deployment"), &original, &patch).unwrap();
    assert_eq!(out["spec"]["strategy"], json!({"type": "Recreate"}));
}

#[test]
fn null_deletes_and_maps_are_merged_or_replaced() {
    let original = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"nodeName": "n"}});
    let out =
        pods(original.clone(), json!({"metadata": {"labels": {"a": null, "c": "3"}}, "spec": {"nodeName": null}}));
    assert_eq!(out, json!({"metadata": {"labels": {"b": "2", "c": "3"}}, "spec": {}}));
    let out = pods(original, json!({"metadata": {"labels": {"$patch": "replace", "z": "1"}}}));
    assert_eq!(out["metadata"]["labels"], json!({"z": "1"}));
}

fn object() -> impl Strategy<Value = Value> {
    let container = ("[a-c]", "[x-z]").prop_map(|(name, image)| json!({"name": name, "image": image}));
    let containers = proptest::collection::vec(container, 0..4).prop_map(|mut list| {
        let mut seen = std::collections::BTreeSet::new();
        list.retain(|c| seen.insert(c["name"].to_string()));
        list
    });
    let labels = proptest::collection::btree_map("[a-d]", "[0-9]", 0..4);
    (containers, labels)
        .prop_map(|(containers, labels)| json!({"metadata": {"labels": labels}, "spec": {"containers": containers}}))
}

proptest! {
    #[test]
    fn an_empty_patch_changes_nothing(original in object()) {
        prop_assert_eq!(pods(original.clone(), json!({})), original.clone());
        prop_assert_eq!(merge_patch(&original, &json!({})), original);
    }

    #[test]
    fn patches_are_idempotent(original in object(), patch in object()) {
        let once = pods(original.clone(), patch.clone());
        prop_assert_eq!(pods(once.clone(), patch.clone()), once);
        let once = merge_patch(&original, &patch);
        prop_assert_eq!(merge_patch(&once, &patch), once);
    }

    #[test]
    fn a_strategic_patch_keeps_what_it_does_not_name(original in object(), patch in object()) {
        let out = pods(original.clone(), patch);
        let names = |v: &Value| v["spec"]["containers"].as_array().unwrap().iter().map(|c| c["name"].to_string()).collect::<Vec<_>>();
        for name in names(&original) {
            prop_assert!(names(&out).contains(&name));
        }
    }
}
