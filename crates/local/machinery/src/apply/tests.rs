use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::builtin;

fn schema(group: &str, kind: &str) -> &'static Schema {
    builtin::schema(builtin::by_kind(group, "v1", kind).unwrap()).unwrap()
}

fn writer(manager: &str) -> Writer<'_> {
    Writer { manager, subresource: "", now: "2026-11-21T04:00:00Z".parse().unwrap() }
}

fn later(manager: &str) -> Writer<'_> {
    Writer { now: "2026-11-21T05:00:00Z".parse().unwrap(), ..writer(manager) }
}

fn config(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "d"}, "data": data})
}

fn fields<'a>(object: &'a Value, manager: &str) -> Option<&'a Value> {
    let list = object["metadata"]["managedFields"].as_array()?;
    list.iter().find(|entry| entry["manager"] == manager).map(|entry| &entry["fieldsV1"])
}

fn do_apply(live: Option<&Value>, config: &Value, manager: &str, force: bool) -> Result<Value, ApiError> {
    apply(schema("", "ConfigMap"), live, config, writer(manager), force)
}

#[test]
fn a_first_apply_owns_what_it_names() {
    let object = do_apply(None, &config(json!({"a": "1"})), "kubectl", false).unwrap();
    assert_eq!(object["data"], json!({"a": "1"}));
    assert_eq!(
        object["metadata"]["managedFields"],
        json!([{
            "manager": "kubectl", "operation": "Apply", "apiVersion": "v1", "time": "2026-11-21T04:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}
        }])
    );
}

#[test]
fn an_item_named_twice_is_refused() {
    let pod = |second: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
               "spec": {"containers": [{"name": "c", "image": "i"}, {"name": second}]}})
    };
    let error = apply(schema("", "Pod"), None, &pod("c"), writer("one"), false).unwrap_err();
    assert_eq!((error.code, &*error.message), (400, ".spec.containers: duplicate entries for key [name=\"c\"]"));
    apply(schema("", "Pod"), None, &pod("d"), writer("one"), false).unwrap();
}

#[test]
fn another_managers_value_is_a_conflict_and_force_takes_it() {
    let live = do_apply(None, &config(json!({"a": "1", "b": "1"})), "one", false).unwrap();
    let error = do_apply(Some(&live), &config(json!({"a": "2"})), "two", false).unwrap_err();
    assert_eq!(error.code, 409);
    assert_eq!(error.message, "Apply failed with 1 conflict: conflict with \"one\": .data.a");
    let cause = &error.to_status()["details"]["causes"][0];
    assert_eq!(cause["reason"], "FieldManagerConflict");
    assert_eq!(cause["field"], ".data.a");
    let forced = do_apply(Some(&live), &config(json!({"a": "2"})), "two", true).unwrap();
    assert_eq!(forced["data"], json!({"a": "2", "b": "1"}));
    assert_eq!(fields(&forced, "one"), Some(&json!({"f:data": {"f:b": {}}})));
    assert_eq!(fields(&forced, "two"), Some(&json!({"f:data": {"f:a": {}}})));
}

#[test]
fn several_conflicts_are_listed_by_owner() {
    let live = do_apply(None, &config(json!({"a": "1", "b": "1"})), "one", false).unwrap();
    let error = do_apply(Some(&live), &config(json!({"a": "2", "b": "2"})), "two", false).unwrap_err();
    assert_eq!(error.message, "Apply failed with 2 conflicts: conflicts with \"one\":\n- .data.a\n- .data.b");
}

#[test]
fn the_same_value_is_shared() {
    let live = do_apply(None, &config(json!({"a": "1"})), "one", false).unwrap();
    let both = do_apply(Some(&live), &config(json!({"a": "1"})), "two", false).unwrap();
    assert!(fields(&both, "one").is_some() && fields(&both, "two").is_some());
    // One of them lets go; the other still holds it.
    let left = do_apply(Some(&both), &config(json!({})), "one", false).unwrap();
    assert_eq!(left["data"], json!({"a": "1"}));
    let gone = do_apply(Some(&left), &config(json!({})), "two", false).unwrap();
    assert!(gone.get("data").is_none_or(|data| data == &json!({})));
}

#[test]
fn what_is_no_longer_applied_is_removed() {
    let live = do_apply(None, &config(json!({"a": "1", "b": "2"})), "one", false).unwrap();
    let now = do_apply(Some(&live), &config(json!({"b": "2"})), "one", false).unwrap();
    assert_eq!(now["data"], json!({"b": "2"}));
}

#[test]
fn an_update_takes_what_it_changes() {
    let live = do_apply(None, &config(json!({"a": "1", "b": "2"})), "one", false).unwrap();
    let mut new = live.clone();
    new["data"]["a"] = "9".into();
    update(schema("", "ConfigMap"), Some(&live), &mut new, later("kubectl-edit"));
    assert_eq!(fields(&new, "one"), Some(&json!({"f:data": {"f:b": {}}})));
    assert_eq!(fields(&new, "kubectl-edit"), Some(&json!({"f:data": {"f:a": {}}})));
    let error = do_apply(Some(&new), &config(json!({"a": "1", "b": "2"})), "one", false).unwrap_err();
    assert_eq!(error.message, "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using v1: .data.a");
}

#[test]
fn a_create_owns_all_and_structs_that_are_always_there_belong_to_nobody() {
    let mut new = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "labels": {"app": "a"}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "a"}},
            "strategy": {"rollingUpdate": {"maxSurge": 1}, "type": "RollingUpdate"},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}
    });
    update(schema("apps", "Deployment"), None, &mut new, writer("kubectl-create"));
    assert_eq!(
        fields(&new, "kubectl-create"),
        Some(&json!({
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {
                "f:replicas": {}, "f:selector": {},
                "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}}, "f:type": {}},
                "f:template": {
                    "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                    "f:spec": {"f:containers": {".": {}, "k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:name": {}}}}
                }
            }
        }))
    );
}

#[test]
fn status_is_managed_apart() {
    let live = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"nodeName": "n"}});
    let mut new = live.clone();
    new["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    update(schema("", "Pod"), Some(&live), &mut new, Writer { subresource: "status", ..writer("kubelet") });
    let entry = &new["metadata"]["managedFields"][0];
    assert_eq!(entry["subresource"], "status");
    assert_eq!(
        entry["fieldsV1"]["f:status"]["f:conditions"],
        json!({".": {}, "k:{\"type\":\"Ready\"}": {".": {}, "f:status": {}, "f:type": {}}})
    );
}

#[test]
fn an_apply_of_status_leaves_the_rest() {
    let live = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"nodeName": "n"}});
    let config = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"x": "2"}}, "status": {"phase": "Running"}});
    let writer = Writer { subresource: "status", ..writer("node") };
    let out = apply(schema("", "Pod"), Some(&live), &config, writer, false).unwrap();
    assert_eq!(out["metadata"]["labels"], json!({"x": "1"}));
    assert_eq!((&out["spec"], &out["status"]), (&live["spec"], &config["status"]));
    assert_eq!(fields(&out, "node"), Some(&json!({"f:status": {"f:phase": {}}})));
}

#[test]
fn list_items_are_applied_by_their_keys() {
    let service = |ports: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": ports}});
    let schema = schema("", "Service");
    let one = apply(schema, None, &service(json!([{"port": 80, "name": "http"}])), writer("one"), false).unwrap();
    let two = apply(
        schema,
        Some(&one),
        &service(json!([{"port": 443, "protocol": "TCP", "name": "https"}])),
        writer("two"),
        false,
    )
    .unwrap();
    assert_eq!(two["spec"]["ports"].as_array().map(Vec::len), Some(2));
    // The protocol may be left out: it is TCP.
    let again =
        apply(schema, Some(&two), &service(json!([{"port": 443, "name": "tls"}])), writer("two"), false).unwrap();
    assert_eq!(again["spec"]["ports"].as_array().map(Vec::len), Some(2));
    let gone = apply(schema, Some(&again), &service(json!([])), writer("two"), false).unwrap();
    assert_eq!(gone["spec"]["ports"], json!([{"port": 80, "name": "http"}]));
}

#[test]
fn atomic_maps_have_one_owner() {
    let service = |selector: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"selector": selector}});
    let schema = schema("", "Service");
    let one = apply(schema, None, &service(json!({"app": "a"})), writer("one"), false).unwrap();
    let error = apply(schema, Some(&one), &service(json!({"tier": "b"})), writer("two"), false).unwrap_err();
    assert!(error.message.ends_with(".spec.selector"));
    let forced = apply(schema, Some(&one), &service(json!({"tier": "b"})), writer("two"), true).unwrap();
    assert_eq!(forced["spec"]["selector"], json!({"tier": "b"}));
}

#[test]
fn kubectl_takes_over_from_its_client_side_apply() {
    let schema = schema("", "ConfigMap");
    let text = config(json!({"a": "1"})).to_string();
    let mut live = config(json!({"a": "1"}));
    live["metadata"]["annotations"] = json!({LAST_APPLIED: text});
    update(schema, None, &mut live, writer("kubectl-client-side-apply"));
    let out = apply(schema, Some(&live), &config(json!({"a": "2"})), writer("kubectl"), false).unwrap();
    assert_eq!(out["data"]["a"], "2");
    assert!(out["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap().contains("\"2\""));
    // Somebody else's name gets the conflict.
    assert_eq!(apply(schema, Some(&live), &config(json!({"a": "2"})), writer("flux"), false).unwrap_err().code, 409);
}

#[test]
fn an_object_without_managers_is_owned_by_before_first_apply() {
    let error = do_apply(Some(&config(json!({"a": "1"}))), &config(json!({"a": "2"})), "one", false).unwrap_err();
    assert!(error.message.contains("\"before-first-apply\" using v1"));
}

#[test]
fn owners_can_be_forgotten_and_are_kept_when_not_named() {
    let schema = schema("", "ConfigMap");
    let live = do_apply(None, &config(json!({"a": "1"})), "one", false).unwrap();
    let mut same = config(json!({"a": "1"}));
    update(schema, Some(&live), &mut same, later("two"));
    assert_eq!(same["metadata"]["managedFields"], live["metadata"]["managedFields"]);
    let mut reset = live.clone();
    reset["metadata"]["managedFields"] = json!([{}]);
    update(schema, Some(&live), &mut reset, later("two"));
    assert!(reset["metadata"].get("managedFields").is_none());
}

#[test]
fn a_configuration_with_managed_fields_is_refused() {
    let live = do_apply(None, &config(json!({"a": "1"})), "one", false).unwrap();
    assert_eq!(do_apply(Some(&live), &live, "one", false).unwrap_err().code, 400);
}

#[test]
fn no_change_keeps_the_time() {
    let schema = schema("", "ConfigMap");
    let live = do_apply(None, &config(json!({"a": "1"})), "one", false).unwrap();
    let mut again = apply(schema, Some(&live), &config(json!({"a": "1"})), later("one"), false).unwrap();
    keep_times(&live, &mut again);
    assert_eq!(again, live);
}

#[test]
fn a_generated_manifests_null_creation_time_says_nothing() {
    let mut live = do_apply(None, &config(json!({"a": "1"})), "one", false).unwrap();
    live["metadata"]["creationTimestamp"] = "2026-11-21T00:00:00Z".into();
    let mut null = config(json!({"a": "1"}));
    null["metadata"]["creationTimestamp"] = Value::Null;
    let out = do_apply(Some(&live), &null, "one", false).unwrap();
    assert_eq!(out["metadata"]["creationTimestamp"], "2026-11-21T00:00:00Z");
}

#[test]
fn kubectl_moves_its_client_side_fields_with_a_json_patch() {
    let schema = schema("", "ConfigMap");
    let mut live = config(json!({"a": "1"}));
    update(schema, None, &mut live, writer("kubectl-client-side-apply"));
    let both = apply(schema, Some(&live), &config(json!({"a": "1"})), writer("kubectl"), false).unwrap();
    let mut moved = both.clone();
    let kept =
        both["metadata"]["managedFields"].as_array().unwrap().iter().filter(|m| m["operation"] == "Apply").cloned();
    moved["metadata"]["managedFields"] = kept.collect();
    update(schema, Some(&both), &mut moved, later("kubectl"));
    assert!(fields(&moved, "kubectl-client-side-apply").is_none());
    let gone = apply(schema, Some(&moved), &config(json!({"b": "1"})), writer("kubectl"), false).unwrap();
    assert_eq!(gone["data"], json!({"b": "1"}));
}

/// As deep as a body can be; a worker thread's stack has 2 MiB.
#[test]
fn the_deepest_body_fits_a_small_stack() {
    let run = || {
        let text = format!("{}1{}", "{\"a\":".repeat(120), "}".repeat(120));
        let deep: Value = serde_json::from_str(&text).unwrap();
        let schema = Schema::parse(&json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})).unwrap();
        let mut config = json!({"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "a"}, "spec": deep});
        schema.prune(&mut config);
        schema.fill_defaults(&mut config);
        assert!(schema.validate(&config, None).is_empty());
        let live = apply(&schema, None, &config, writer("one"), false).unwrap();
        let mut new = live.clone();
        new["spec"] = json!({});
        update(&schema, Some(&live), &mut new, later("two"));
        apply(&schema, Some(&new), &config, writer("one"), true).unwrap();
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

fn data() -> impl Strategy<Value = Value> {
    proptest::collection::btree_map("[a-d]", "[0-9]", 0..4).prop_map(|map| json!(map))
}

proptest! {
    #[test]
    fn applying_twice_is_applying_once(first in data(), second in data()) {
        let live = do_apply(None, &config(first), "one", false).unwrap();
        let once = do_apply(Some(&live), &config(second.clone()), "two", true).unwrap();
        let twice = do_apply(Some(&once), &config(second), "two", false).unwrap();
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn a_forced_apply_has_what_it_asked_for_and_keeps_the_rest(first in data(), second in data()) {
        let live = do_apply(None, &config(first.clone()), "one", false).unwrap();
        let out = do_apply(Some(&live), &config(second.clone()), "two", true).unwrap();
        for (key, value) in second.as_object().unwrap() {
            prop_assert_eq!(&out["data"][key], value);
        }
        for (key, value) in first.as_object().unwrap() {
            if second.get(key).is_none() {
                prop_assert_eq!(&out["data"][key], value);
            }
        }
    }

    #[test]
    fn sets_read_back(object in data()) {
        let set = walk::set_of(schema("", "ConfigMap").root(), &config(object), Repeats::Allowed).unwrap();
        prop_assert_eq!(Set::from_fields_v1(&set.to_fields_v1()), Some(set));
    }
}
