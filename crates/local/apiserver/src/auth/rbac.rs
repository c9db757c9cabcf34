//! Role-based access control, evaluated from the stored roles and bindings.

use isthmus_local_store::{Key, Store};
use serde_json::Value;

use super::{MASTERS, User};

const GROUP: &str = "rbac.authorization.k8s.io";

/// What somebody wants to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) verb: String,
    pub(crate) group: String,
    /// Plural name; empty for a path that is no resource.
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The path, for what is no resource.
    pub(crate) path: String,
}

impl Action {
    fn full_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }

    /// Kubernetes' words for a refusal.
    pub(crate) fn refusal(&self, user: &User) -> String {
        if self.resource.is_empty() {
            return format!("User {:?} cannot {} path {:?}", user.name, self.verb, self.path);
        }
        let place = if self.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {:?}", self.namespace)
        };
        let (verb, resource, group) = (&self.verb, self.full_resource(), &self.group);
        format!("User {:?} cannot {verb} resource {resource:?} in API group {group:?} {place}", user.name)
    }
}

/// Whether the roles bound to `user` allow the action; the text says by which binding.
pub(crate) fn allowed(store: &Store, user: &User, action: &Action) -> Option<String> {
    if user.in_group(MASTERS) {
        return Some(String::new());
    }
    let cluster = store.list("rbac.authorization.k8s.io/clusterrolebindings", None);
    for entry in cluster.entries {
        if binds(&entry.object, user, "") && rules_allow(&rules(store, &entry.object, None), action) {
            return Some(format!("RBAC: allowed by ClusterRoleBinding {:?}", entry.key.name));
        }
    }
    if action.namespace.is_empty() || action.resource.is_empty() {
        return None;
    }
    let local = store.list("rbac.authorization.k8s.io/rolebindings", Some(&action.namespace));
    for entry in local.entries {
        let found = rules(store, &entry.object, Some(&action.namespace));
        if binds(&entry.object, user, &action.namespace) && rules_allow(&found, action) {
            return Some(format!("RBAC: allowed by RoleBinding \"{}/{}\"", action.namespace, entry.key.name));
        }
    }
    None
}

/// Every rule that holds for `user` in `namespace`, as `SelfSubjectRulesReview` lists them.
pub(crate) fn rules_for(store: &Store, user: &User, namespace: &str) -> Vec<Value> {
    if user.in_group(MASTERS) {
        let all = serde_json::json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] });
        return vec![all, serde_json::json!({ "verbs": ["*"], "nonResourceURLs": ["*"] })];
    }
    let mut all = Vec::new();
    for entry in store.list("rbac.authorization.k8s.io/clusterrolebindings", None).entries {
        if binds(&entry.object, user, "") {
            all.extend(rules(store, &entry.object, None));
        }
    }
    for entry in store.list("rbac.authorization.k8s.io/rolebindings", Some(namespace)).entries {
        if binds(&entry.object, user, namespace) {
            all.extend(rules(store, &entry.object, Some(namespace)));
        }
    }
    all
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn binds(binding: &Value, user: &User, namespace: &str) -> bool {
    let subjects = binding.get("subjects").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    subjects.iter().any(|subject| match text(subject, "kind") {
        "User" => text(subject, "name") == user.name,
        "Group" => user.in_group(text(subject, "name")),
        "ServiceAccount" => {
            let own = text(subject, "namespace");
            let namespace = if own.is_empty() { namespace } else { own };
            user.name == format!("system:serviceaccount:{namespace}:{}", text(subject, "name"))
        }
        _ => false,
    })
}

/// The rules of the role that a binding names; with aggregation, those of every role it selects.
fn rules(store: &Store, binding: &Value, namespace: Option<&str>) -> Vec<Value> {
    let Some(reference) = binding.get("roleRef") else { return Vec::new() };
    let key = match text(reference, "kind") {
        "ClusterRole" => Key::new(&format!("{GROUP}/clusterroles"), None, text(reference, "name")),
        "Role" => Key::new(&format!("{GROUP}/roles"), namespace, text(reference, "name")),
        _ => return Vec::new(),
    };
    let Some(role) = store.get(&key) else { return Vec::new() };
    let own = |role: &Value| role.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut found = own(&role.object);
    let selectors = role.object.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array);
    for selector in selectors.into_iter().flatten() {
        let wanted = selector.get("matchLabels").and_then(Value::as_object);
        let Some(wanted) = wanted.filter(|labels| !labels.is_empty()) else { continue };
        for other in store.list(&format!("{GROUP}/clusterroles"), None).entries {
            let labels = other.object.pointer("/metadata/labels");
            if wanted.iter().all(|(name, value)| labels.and_then(|l| l.get(name)) == Some(value)) {
                found.extend(own(&other.object));
            }
        }
    }
    found
}

fn rules_allow(rules: &[Value], action: &Action) -> bool {
    rules.iter().any(|rule| rule_allows(rule, action))
}

fn rule_allows(rule: &Value, action: &Action) -> bool {
    let items = |field: &str| rule.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let has = |field: &str, wanted: &str| items(field).iter().any(|v| v == "*" || v == wanted);
    if !has("verbs", &action.verb) {
        return false;
    }
    if action.resource.is_empty() {
        return items("nonResourceURLs").iter().filter_map(Value::as_str).any(|url| match url.strip_suffix('*') {
            Some(prefix) => action.path.starts_with(prefix),
            None => url == action.path,
        });
    }
    let any_parent = format!("*/{}", action.subresource);
    let resource = has("resources", &action.full_resource())
        || (!action.subresource.is_empty() && items("resources").iter().any(|v| *v == any_parent.as_str()));
    let names = items("resourceNames");
    has("apiGroups", &action.group)
        && resource
        && (names.is_empty() || names.iter().any(|n| *n == action.name.as_str()))
}

#[cfg(test)]
mod tests;
