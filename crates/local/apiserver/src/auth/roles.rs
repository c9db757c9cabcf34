//! The roles that are there from the start: those that others refer to by name.

use serde_json::{Value, json};

const RBAC: &str = "rbac.authorization.k8s.io";

type Named = (&'static str, &'static str, Value);

/// ClusterRoles and ClusterRoleBindings.
pub(crate) fn cluster() -> Vec<Named> {
    let read: &[&str] = &["get", "list", "watch"];
    let write: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let core: &[&str] = &[
        "configmaps",
        "endpoints",
        "events",
        "pods",
        "pods/log",
        "pods/status",
        "replicationcontrollers",
        "replicationcontrollers/status",
        "serviceaccounts",
        "services",
        "services/status",
    ];
    let core_write: &[&str] = &[
        "configmaps",
        "endpoints",
        "events",
        "pods",
        "pods/attach",
        "pods/exec",
        "pods/log",
        "pods/portforward",
        "replicationcontrollers",
        "replicationcontrollers/scale",
        "secrets",
        "serviceaccounts",
        "services",
    ];
    let view = vec![
        rule("", core, read),
        rule("", &["namespaces"], read),
        rule(
            "apps",
            &[
                "daemonsets",
                "daemonsets/status",
                "deployments",
                "deployments/scale",
                "deployments/status",
                "replicasets",
                "replicasets/scale",
                "replicasets/status",
                "statefulsets",
                "statefulsets/scale",
                "statefulsets/status",
            ],
            read,
        ),
        rule("batch", &["jobs", "jobs/status"], read),
        rule("discovery.k8s.io", &["endpointslices"], read),
        rule("events.k8s.io", &["events"], read),
    ];
    let edit = vec![
        rule("", core_write, write),
        rule("", &["namespaces"], read),
        rule(
            "apps",
            &[
                "daemonsets",
                "deployments",
                "deployments/scale",
                "replicasets",
                "replicasets/scale",
                "statefulsets",
                "statefulsets/scale",
            ],
            write,
        ),
        rule("batch", &["jobs"], write),
        rule("coordination.k8s.io", &["leases"], write),
        rule("discovery.k8s.io", &["endpointslices"], write),
        rule("events.k8s.io", &["events"], write),
    ];
    let mut admin = edit.clone();
    admin.push(rule(RBAC, &["roles", "rolebindings"], write));
    admin.push(rule("authorization.k8s.io", &["localsubjectaccessreviews"], &["create"]));
    let everything = vec![rule("*", &["*"], &["*"]), json!({ "nonResourceURLs": ["*"], "verbs": ["*"] })];
    let own = vec![
        rule("authorization.k8s.io", &["selfsubjectaccessreviews", "selfsubjectrulesreviews"], &["create"]),
        rule("authentication.k8s.io", &["selfsubjectreviews"], &["create"]),
    ];
    let urls = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/openapi",
        "/openapi/*",
        "/healthz",
        "/livez",
        "/readyz",
        "/version",
        "/version/",
    ];
    let delegator = vec![
        rule("authentication.k8s.io", &["tokenreviews"], &["create"]),
        rule("authorization.k8s.io", &["subjectaccessreviews"], &["create"]),
    ];
    let issuer = ["/.well-known/openid-configuration", "/openid/v1/jwks"];
    vec![
        role("cluster-admin", everything),
        role("admin", admin),
        role("edit", edit),
        role("view", view),
        role("system:auth-delegator", delegator),
        role("system:basic-user", own),
        role("system:discovery", vec![json!({ "nonResourceURLs": urls, "verbs": ["get"] })]),
        role("system:service-account-issuer-discovery", vec![json!({ "nonResourceURLs": issuer, "verbs": ["get"] })]),
        binding("cluster-admin", "system:masters"),
        binding("system:basic-user", "system:authenticated"),
        binding("system:discovery", "system:authenticated"),
        binding("system:service-account-issuer-discovery", "system:serviceaccounts"),
    ]
}

/// Roles in `kube-system`.
pub(crate) fn in_kube_system() -> Vec<Named> {
    let rules = json!([{
        "apiGroups": [""], "resources": ["configmaps"],
        "resourceNames": ["extension-apiserver-authentication"], "verbs": ["get", "list", "watch"],
    }]);
    let role = json!({ "apiVersion": format!("{RBAC}/v1"), "kind": "Role", "rules": rules });
    vec![("roles", "extension-apiserver-authentication-reader", role)]
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({ "apiGroups": [group], "resources": resources, "verbs": verbs })
}

fn role(name: &'static str, rules: Vec<Value>) -> Named {
    let labels = json!({ "kubernetes.io/bootstrapping": "rbac-defaults" });
    let metadata = json!({ "labels": labels });
    let object =
        json!({ "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": metadata, "rules": rules });
    ("clusterroles", name, object)
}

fn binding(role: &'static str, group: &str) -> Named {
    let object = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding",
        "metadata": { "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" } },
        "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": role },
        "subjects": [{ "apiGroup": RBAC, "kind": "Group", "name": group }],
    });
    ("clusterrolebindings", role, object)
}
