//! Is a webhook concerned by a request? Pure.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::Webhook;
use super::selector::Selector;
use super::{Operation, Request};

/// One of a webhook's `rules`: all of its lists must match, `*` matches all.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    #[serde(default)]
    operations: Vec<String>,
    #[serde(default)]
    api_groups: Vec<String>,
    #[serde(default)]
    api_versions: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    scope: Option<String>,
}

impl Rule {
    /// Whether the rule names the request, taken to be at `version`.
    fn matches(&self, request: &Request, version: &str) -> bool {
        let has = |list: &[String], value: &str| list.iter().any(|item| item == "*" || item == value);
        has(&self.operations, request.operation.as_str())
            && has(&self.api_groups, &request.resource.group)
            && has(&self.api_versions, version)
            && self.resources.iter().any(|pattern| matches_resource(pattern, request))
            && match self.scope.as_deref() {
                // A Namespace is cluster-scoped, also where its own name stands in the place of a namespace.
                Some("Cluster") => request.namespace.is_empty() || is_namespace(request),
                Some("Namespaced") => !request.namespace.is_empty() && !is_namespace(request),
                _ => true,
            }
    }
}

/// `pods`, `pods/status`, `pods/*`, `*` (no subresources), `*/scale`, `*/*`.
fn matches_resource(pattern: &str, request: &Request) -> bool {
    let (resource, subresource) = pattern.split_once('/').unwrap_or((pattern, ""));
    (resource == "*" || resource == request.resource.name) && (subresource == "*" || subresource == request.subresource)
}

fn is_namespace(request: &Request) -> bool {
    request.resource.group.is_empty() && request.resource.name == "namespaces"
}

/// Webhooks are never asked about webhook configurations: a broken one could not be removed any more.
pub(super) fn exempt(request: &Request) -> bool {
    request.resource.group == "admissionregistration.k8s.io"
}

/// Is this webhook to be asked about this request, with the object as it is now, and in which version? In the request's own
/// if a rule names it, else in the first other one that a rule names.
pub(super) fn concerns<'a>(webhook: &Webhook, request: &'a Request, object: Option<&Value>) -> Option<&'a str> {
    let selected = matches_namespace(&webhook.namespaces, request, object)
        && matches_object(&webhook.objects, object, request.old_object.as_deref());
    let others = request.equivalents.versions().filter(|_| !webhook.exact);
    let mut versions = std::iter::once(request.resource.version.as_str()).chain(others).filter(|_| selected);
    versions.find(|version| webhook.rules.iter().any(|rule| rule.matches(request, version)))
}

fn matches_namespace(selector: &Selector, request: &Request, object: Option<&Value>) -> bool {
    if selector.is_empty() {
        return true;
    }
    let namespace = if is_namespace(request) {
        match request.operation {
            Operation::Create | Operation::Update if request.subresource.is_empty() => object,
            _ => request.old_object.as_deref().or(request.namespace_object.as_deref()),
        }
    } else if request.namespace.is_empty() {
        return true;
    } else {
        request.namespace_object.as_deref()
    };
    selector.matches(&namespace.map(labels).unwrap_or_default())
}

/// Either state of the object will do.
fn matches_object(selector: &Selector, object: Option<&Value>, old: Option<&Value>) -> bool {
    selector.is_empty() || [object, old].into_iter().flatten().any(|object| selector.matches(&labels(object)))
}

fn labels(object: &Value) -> Map<String, Value> {
    object.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
