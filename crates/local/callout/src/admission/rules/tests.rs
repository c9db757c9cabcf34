use serde::Deserialize as _;
use serde_json::json;

use super::*;
use crate::User;
use crate::admission::Versioned;
use crate::admission::config::webhooks;

fn request(resource: &str, subresource: &str, namespace: &str) -> Request {
    Request {
        operation: Operation::Update,
        kind: Versioned::default(),
        resource: Versioned::new("apps", "v1", resource),
        subresource: subresource.to_owned(),
        name: "x".to_owned(),
        namespace: namespace.to_owned(),
        namespace_object: None,
        user: User::default(),
        object: None,
        old_object: None,
        dry_run: false,
        options: Value::Null,
        equivalents: crate::admission::Equivalents::default(),
    }
}

fn rule(value: Value) -> Rule {
    let mut rule = json!({"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]});
    for (key, value) in value.as_object().unwrap() {
        rule[key] = value.clone();
    }
    Rule::deserialize(rule).unwrap()
}

#[test]
fn resources_and_subresources() {
    for (pattern, resource, subresource, expected) in [
        ("*", "deployments", "", true),
        ("*", "deployments", "status", false),
        ("*/*", "deployments", "", true),
        ("*/*", "deployments", "status", true),
        ("deployments", "deployments", "", true),
        ("deployments", "deployments", "status", false),
        ("deployments/status", "deployments", "status", true),
        ("deployments/status", "deployments", "", false),
        ("deployments/*", "deployments", "scale", true),
        ("deployments/*", "replicasets", "scale", false),
        ("*/scale", "replicasets", "scale", true),
        ("*/scale", "replicasets", "", false),
    ] {
        let matched = rule(json!({"resources": [pattern]})).matches(&request(resource, subresource, "n"), "v1");
        assert_eq!(matched, expected, "{pattern} {resource}/{subresource}");
    }
}

#[test]
fn groups_versions_operations_and_scope() {
    let namespaced = request("deployments", "", "n");
    let cluster = request("things", "", "");
    let mut namespace = request("namespaces", "", "n");
    namespace.resource.group = String::new();
    for (value, on, expected) in [
        (json!({"apiGroups": ["apps"]}), &namespaced, true),
        (json!({"apiGroups": [""]}), &namespaced, false),
        (json!({"apiVersions": ["v1", "v2"]}), &namespaced, true),
        (json!({"apiVersions": ["v1beta1"]}), &namespaced, false),
        (json!({"operations": ["CREATE"]}), &namespaced, false),
        (json!({"operations": ["CREATE", "UPDATE"]}), &namespaced, true),
        (json!({"scope": "Namespaced"}), &namespaced, true),
        (json!({"scope": "Cluster"}), &namespaced, false),
        (json!({"scope": "Namespaced"}), &cluster, false),
        (json!({"scope": "Cluster"}), &cluster, true),
        (json!({"scope": "Cluster"}), &namespace, true),
        (json!({"scope": "*"}), &cluster, true),
    ] {
        assert_eq!(rule(value.clone()).matches(on, "v1"), expected, "{value}");
    }
}

fn selected(field: &str, selector: Value, request: &Request, object: Option<&Value>) -> bool {
    let rules = json!([{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}]);
    let config = json!({"webhooks": [{"name": "x", "rules": rules, field: selector}]});
    concerns(&webhooks(&[config]).unwrap()[0], request, object).is_some()
}

#[test]
fn the_namespace_selector_reads_the_namespaces_labels() {
    let mut on = request("deployments", "", "n");
    let selector = json!({"matchLabels": {"team": "shop"}});
    assert!(!selected("namespaceSelector", selector.clone(), &on, None), "an unknown namespace has no labels");
    on.namespace_object = Some(json!({"metadata": {"labels": {"team": "shop"}}}).into());
    assert!(selected("namespaceSelector", selector.clone(), &on, None));
    assert!(selected("namespaceSelector", json!({}), &request("deployments", "", "n"), None));
    assert!(
        selected("namespaceSelector", selector.clone(), &request("nodes", "", ""), None),
        "cluster-scoped: not asked"
    );

    let mut on = request("namespaces", "", "n");
    on.resource.group = String::new();
    let namespace = json!({"metadata": {"labels": {"team": "shop"}}});
    assert!(selected("namespaceSelector", selector.clone(), &on, Some(&namespace)), "a Namespace's own labels");
    assert!(!selected("namespaceSelector", selector, &on, Some(&json!({"metadata": {}}))));
}

#[test]
fn the_object_selector_reads_either_state() {
    let with = json!({"metadata": {"labels": {"app": "web"}}});
    let without = json!({"metadata": {}});
    let mut on = request("deployments", "", "n");
    on.old_object = Some(with.clone().into());
    let exists = json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]});
    assert!(selected("objectSelector", exists.clone(), &on, Some(&without)));
    on.old_object = None;
    assert!(!selected("objectSelector", exists.clone(), &on, Some(&without)));
    assert!(!selected("objectSelector", exists, &on, None), "no object, no match");
    for (operator, values, expected) in [
        ("In", json!(["web", "api"]), true),
        ("In", json!(["api"]), false),
        ("NotIn", json!(["api"]), true),
        ("NotIn", json!(["web"]), false),
        ("DoesNotExist", json!([]), false),
    ] {
        let selector = json!({"matchExpressions": [{"key": "app", "operator": operator, "values": values}]});
        assert_eq!(selected("objectSelector", selector.clone(), &on, Some(&with)), expected, "{selector}");
    }
}
