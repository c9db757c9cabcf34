use isthmus_local_store::Limits;
use serde_json::json;

use super::*;

fn store() -> Store {
    let store = Store::open(None, Limits::default()).unwrap();
    let put = |resource: &str, namespace: Option<&str>, name: &str, mut object: Value| {
        object["metadata"] = json!({ "name": name });
        store.create(Key::new(&format!("{GROUP}/{resource}"), namespace, name), object).unwrap();
    };
    let rules = json!([
        { "apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"] },
        { "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"], "verbs": ["get"] },
        { "nonResourceURLs": ["/metrics", "/debug/*"], "verbs": ["get"] },
    ]);
    put("clusterroles", None, "reader", json!({ "rules": rules }));
    let subjects = json!([{ "kind": "ServiceAccount", "name": "web", "namespace": "shop" }]);
    put(
        "rolebindings",
        Some("shop"),
        "b",
        json!({ "roleRef": { "kind": "ClusterRole", "name": "reader" }, "subjects": subjects }),
    );
    let subjects = json!([{ "kind": "Group", "name": "ops" }]);
    put(
        "clusterrolebindings",
        None,
        "b",
        json!({ "roleRef": { "kind": "ClusterRole", "name": "reader" }, "subjects": subjects }),
    );
    store
}

fn action(verb: &str, resource: &str, namespace: &str, name: &str) -> Action {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Action {
        verb: verb.into(),
        resource: resource.into(),
        subresource: subresource.into(),
        namespace: namespace.into(),
        name: name.into(),
        ..Action::default()
    }
}

#[test]
fn a_role_binding_holds_in_its_namespace_only() {
    let store = store();
    let web = User { name: "system:serviceaccount:shop:web".into(), ..User::default() };
    for (asked, wanted) in [
        (action("get", "pods", "shop", "a"), true),
        (action("list", "pods", "shop", ""), true),
        (action("get", "pods/log", "shop", "a"), true),
        (action("get", "pods/exec", "shop", "a"), false),
        (action("delete", "pods", "shop", "a"), false),
        (action("list", "pods", "other", ""), false),
        (action("list", "pods", "", ""), false),
        (action("get", "secrets", "shop", "one"), true),
        (action("get", "secrets", "shop", "two"), false),
    ] {
        assert_eq!(allowed(&store, &web, &asked).is_some(), wanted, "{asked:?}");
    }
}

#[test]
fn a_cluster_role_binding_holds_everywhere_and_for_paths() {
    let store = store();
    let ops = User { name: "o".into(), groups: vec!["ops".into()], ..User::default() };
    assert!(allowed(&store, &ops, &action("list", "pods", "", "")).is_some());
    let path = |path: &str| Action { verb: "get".into(), path: path.into(), ..Action::default() };
    assert!(allowed(&store, &ops, &path("/metrics")).is_some());
    assert!(allowed(&store, &ops, &path("/debug/pprof")).is_some());
    assert!(allowed(&store, &ops, &path("/other")).is_none());
}
