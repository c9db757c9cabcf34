//! Webhook configurations.

use std::collections::HashSet;

use serde_json::Value;

use super::{list, names, one_of, text};
use crate::{selector::LabelSelector, status::Cause};

pub(super) fn check(new: &Value, causes: &mut Vec<Cause>) {
    let mut taken = HashSet::new();
    for (i, hook) in list(new, "webhooks") {
        let field = format!("webhooks[{i}]");
        let name = text(hook, "name");
        if name.is_empty() {
            causes.push(Cause::required(format!("{field}.name"), ""));
        } else if names::subdomain(name).is_some() || name.split('.').count() < 3 {
            let why = "should be a domain with at least three segments separated by dots";
            causes.push(Cause::invalid(format!("{field}.name"), &name.into(), why));
        } else if !taken.insert(name) {
            causes.push(Cause::duplicate(format!("{field}.name"), &name.into()));
        }
        one(hook, &field, causes);
    }
}

fn one(hook: &Value, field: &str, causes: &mut Vec<Cause>) {
    one_of(hook, "failurePolicy", &format!("{field}.failurePolicy"), &["Fail", "Ignore"], causes);
    one_of(hook, "matchPolicy", &format!("{field}.matchPolicy"), &["Equivalent", "Exact"], causes);
    one_of(hook, "sideEffects", &format!("{field}.sideEffects"), &["None", "NoneOnDryRun"], causes);
    if !list(hook, "admissionReviewVersions").any(|(_, v)| v.as_str() == Some("v1")) {
        let shown = hook.get("admissionReviewVersions").unwrap_or(&Value::Null);
        let why = "must include at least one of v1, v1beta1";
        causes.push(Cause::invalid(format!("{field}.admissionReviewVersions"), shown, why));
    }
    if let Some(shown) = hook.get("timeoutSeconds").filter(|v| !v.as_i64().is_some_and(|n| (1..=30).contains(&n))) {
        let why = "the timeout value must be between 1 and 30 seconds";
        causes.push(Cause::invalid(format!("{field}.timeoutSeconds"), shown, why));
    }
    client(hook.get("clientConfig").unwrap_or(&Value::Null), &format!("{field}.clientConfig"), causes);
    for part in ["namespaceSelector", "objectSelector"] {
        if let Some(selector) = hook.get(part)
            && let Err(error) = LabelSelector::from_object(selector)
        {
            causes.push(Cause::invalid(format!("{field}.{part}"), selector, &error.message));
        }
    }
    for (i, rule) in list(hook, "rules") {
        for part in ["apiGroups", "apiVersions", "operations", "resources"] {
            if list(rule, part).next().is_none() {
                causes.push(Cause::required(format!("{field}.rules[{i}].{part}"), ""));
            }
        }
    }
}

/// How a webhook is reached; also of a CRD's conversion.
pub(super) fn client(config: &Value, field: &str, causes: &mut Vec<Cause>) {
    match (config.get("url").and_then(Value::as_str), config.get("service")) {
        (Some(url), None) => {
            if !url.starts_with("https://") {
                let why = "'https' is the only allowed URL scheme";
                causes.push(Cause::invalid(format!("{field}.url"), &url.into(), why));
            }
        }
        (None, Some(service)) => {
            for part in ["name", "namespace"] {
                if text(service, part).is_empty() {
                    causes.push(Cause::required(format!("{field}.service.{part}"), ""));
                }
            }
        }
        _ => causes.push(Cause::required(field, "exactly one of url or service is required")),
    }
}
