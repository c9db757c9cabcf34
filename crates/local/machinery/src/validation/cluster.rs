//! Smaller kinds: Secrets, ConfigMaps, roles, APIServices, Leases.

use serde_json::Value;

use super::{immutable, list, names, text};
use crate::status::Cause;

/// Bytes of all values of a Secret or ConfigMap.
const DATA_LIMIT: usize = 1 << 20;

pub(super) fn data(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let mut size = 0;
    for part in ["data", "binaryData"] {
        for (key, value) in new.get(part).and_then(Value::as_object).into_iter().flatten() {
            if let Some(why) = names::config_key(key) {
                causes.push(Cause::invalid(format!("{part}[{key}]"), &key.as_str().into(), &why));
            }
            size += value.as_str().map_or(0, str::len);
        }
    }
    if size > DATA_LIMIT * 4 / 3 || (new.get("type").is_none() && size > DATA_LIMIT) {
        causes.push(Cause::too_long("data", DATA_LIMIT as u64));
    }
    let Some(before) = old else { return };
    if before.get("type").is_some() {
        immutable(new, old, "/type", "type", causes);
    }
    if before.get("immutable").and_then(Value::as_bool).unwrap_or(false) {
        for part in ["data", "binaryData", "immutable"] {
            if new.get(part) != before.get(part) {
                causes.push(Cause::forbidden(part, "field is immutable when `immutable` is set"));
            }
        }
    }
}

pub(super) fn rbac(kind: &str, new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    if kind.ends_with("Binding") {
        for part in ["kind", "name"] {
            if text(new.get("roleRef").unwrap_or(&Value::Null), part).is_empty() {
                causes.push(Cause::required(format!("roleRef.{part}"), ""));
            }
        }
        immutable(new, old, "/roleRef", "roleRef", causes);
        for (i, subject) in list(new, "subjects") {
            if text(subject, "name").is_empty() {
                causes.push(Cause::required(format!("subjects[{i}].name"), ""));
            }
            if text(subject, "kind") == "ServiceAccount" && text(subject, "namespace").is_empty() {
                causes.push(Cause::required(format!("subjects[{i}].namespace"), ""));
            }
        }
        return;
    }
    for (i, rule) in list(new, "rules") {
        if list(rule, "verbs").next().is_none() {
            causes.push(Cause::required(format!("rules[{i}].verbs"), "verbs must contain at least one value"));
        }
    }
}

pub(super) fn api_service(new: &Value, causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    let spec = new.get("spec").unwrap_or(&empty);
    let wanted = format!("{}.{}", text(spec, "version"), text(spec, "group"));
    let name = crate::meta::name(new);
    if name != wanted && !text(spec, "group").is_empty() {
        let why = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        causes.push(Cause::invalid("metadata.name", &name.into(), &why));
    }
    for (field, limit) in [("groupPriorityMinimum", 20000), ("versionPriority", 1000)] {
        let shown = spec.get(field).cloned().unwrap_or_else(|| 0.into());
        if !shown.as_i64().is_some_and(|n| (1..=limit).contains(&n)) {
            let why = format!("must be positive and less than {limit}");
            causes.push(Cause::invalid(format!("spec.{field}"), &shown, &why));
        }
    }
    if spec.get("insecureSkipTLSVerify").and_then(Value::as_bool) == Some(true) && !text(spec, "caBundle").is_empty() {
        let why = "may not be true if caBundle is present";
        causes.push(Cause::invalid("spec.insecureSkipTLSVerify", &true.into(), why));
    }
}

pub(super) fn lease(new: &Value, causes: &mut Vec<Cause>) {
    let duration = new.pointer("/spec/leaseDurationSeconds");
    if let Some(shown) = duration.filter(|v| v.as_i64().is_some_and(|n| n <= 0)) {
        causes.push(Cause::invalid("spec.leaseDurationSeconds", shown, "must be greater than 0"));
    }
    let transitions = new.pointer("/spec/leaseTransitions");
    if let Some(shown) = transitions.filter(|v| v.as_i64().is_some_and(|n| n < 0)) {
        causes.push(Cause::invalid("spec.leaseTransitions", shown, "must be greater than or equal to 0"));
    }
}
