//! What a webhook configuration must be to be stored.

use isthmus_local_machinery::status::Cause;
use serde::Deserialize as _;
use serde_json::Value;

use super::selector::Selector;
use crate::target::Target;

/// The faults of a `MutatingWebhookConfiguration` or `ValidatingWebhookConfiguration`; none means that it can be stored.
/// `matchConditions` are a fault: this server can't evaluate CEL, and to ignore them would call webhooks that must not be.
pub fn check(config: &Value) -> Vec<Cause> {
    let mut faults = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let webhooks = config.get("webhooks").and_then(Value::as_array);
    for (index, webhook) in webhooks.into_iter().flatten().enumerate() {
        let at = format!("webhooks[{index}]");
        match webhook.get("name").and_then(Value::as_str) {
            None | Some("") => faults.push(Cause::required(format!("{at}.name"), "")),
            Some(name) if names.contains(&name) => {
                faults.push(Cause::duplicate(format!("{at}.name"), &Value::from(name)));
            }
            Some(name) if name.split('.').filter(|label| !label.is_empty()).count() < 3 => {
                let detail = "should be a domain with at least three segments separated by dots";
                faults.push(Cause::invalid(format!("{at}.name"), &Value::from(name), detail));
            }
            Some(name) => names.push(name),
        }
        check_webhook(&at, webhook, &mut faults);
    }
    faults
}

fn check_webhook(at: &str, webhook: &Value, faults: &mut Vec<Cause>) {
    let at = |field: &str| format!("{at}.{field}");
    let present = |field: &str| webhook.get(field).filter(|value| !value.is_null());
    if let Err(fault) = Target::parse(webhook.get("clientConfig").unwrap_or(&Value::Null)) {
        let path = at(&format!("clientConfig.{}", fault.field));
        let path = path.trim_end_matches('.');
        let value =
            webhook.pointer(&format!("/clientConfig/{}", fault.field.replace('.', "/"))).unwrap_or(&Value::Null);
        faults.push(if fault.required {
            Cause::required(path, fault.detail)
        } else {
            Cause::invalid(path, value, fault.detail)
        });
    }
    match present("admissionReviewVersions").and_then(Value::as_array) {
        Some(versions) if versions.iter().any(|version| version == "v1") => {}
        Some(versions) if !versions.is_empty() => {
            let detail = "must include at least one of v1";
            faults.push(Cause::invalid(at("admissionReviewVersions"), &Value::Array(versions.clone()), detail));
        }
        _ => faults.push(Cause::required(at("admissionReviewVersions"), "must specify one of v1")),
    }
    one_of(&at("sideEffects"), present("sideEffects"), &["None", "NoneOnDryRun"], true, faults);
    one_of(&at("failurePolicy"), present("failurePolicy"), &["Fail", "Ignore"], false, faults);
    one_of(&at("matchPolicy"), present("matchPolicy"), &["Equivalent", "Exact"], false, faults);
    one_of(&at("reinvocationPolicy"), present("reinvocationPolicy"), &["IfNeeded", "Never"], false, faults);
    if let Some(seconds) = present("timeoutSeconds")
        && !seconds.as_u64().is_some_and(|seconds| (1..=30).contains(&seconds))
    {
        let detail = "the timeout value must be between 1 and 30 seconds";
        faults.push(Cause::invalid(at("timeoutSeconds"), seconds, detail));
    }
    for field in ["namespaceSelector", "objectSelector"] {
        if let Some(selector) = present(field)
            && let Err(error) = Selector::deserialize(selector)
        {
            faults.push(Cause::invalid(at(field), selector, &error.to_string()));
        }
    }
    if present("matchConditions").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        let detail =
            "matchConditions (CEL) are not supported by this server: use rules, namespaceSelector and objectSelector";
        faults.push(Cause::forbidden(at("matchConditions"), detail));
    }
    for (index, rule) in present("rules").and_then(Value::as_array).into_iter().flatten().enumerate() {
        check_rule(&at(&format!("rules[{index}]")), rule, faults);
    }
}

fn check_rule(at: &str, rule: &Value, faults: &mut Vec<Cause>) {
    for field in ["operations", "apiGroups", "apiVersions", "resources"] {
        let path = format!("{at}.{field}");
        let list = rule.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if list.is_empty() {
            faults.push(Cause::required(path, ""));
        } else if list.len() > 1 && list.iter().any(|item| item == "*") && field != "resources" {
            let detail = "if '*' is present, must not specify other values";
            faults.push(Cause::invalid(path, &Value::from(list), detail));
        } else if field == "operations" {
            for (index, operation) in list.iter().enumerate() {
                let known = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
                one_of(&format!("{path}[{index}]"), Some(operation), &known, true, faults);
            }
        }
    }
    one_of(
        &format!("{at}.scope"),
        rule.get("scope").filter(|v| !v.is_null()),
        &["*", "Cluster", "Namespaced"],
        false,
        faults,
    );
}

fn one_of(path: &str, value: Option<&Value>, allowed: &[&str], required: bool, faults: &mut Vec<Cause>) {
    match value {
        None if required => faults.push(Cause::required(path, &format!("must specify one of {}", allowed.join(", ")))),
        Some(value) if !value.as_str().is_some_and(|text| allowed.contains(&text)) => {
            faults.push(Cause::not_supported(path, value, allowed));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
