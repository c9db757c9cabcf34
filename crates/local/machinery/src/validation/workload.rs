//! Deployments and ReplicaSets.

use serde_json::Value;

use super::{immutable, meta, one_of, pod};
use crate::{selector::LabelSelector, status::Cause};

pub(super) fn check(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    let spec = new.get("spec").unwrap_or(&empty);
    if let Some(shown) = spec.get("replicas").filter(|v| v.as_i64().is_some_and(|n| n < 0)) {
        causes.push(Cause::invalid("spec.replicas", shown, "must be greater than or equal to 0"));
    }
    let labels = spec.pointer("/template/metadata/labels");
    meta::labels_at(labels, "spec.template.labels", causes);
    match spec.get("selector") {
        None => causes.push(Cause::required("spec.selector", "")),
        Some(selector) => match LabelSelector::from_object(selector) {
            Err(error) => causes.push(Cause::invalid("spec.selector", selector, &error.message)),
            Ok(parsed) if parsed.is_empty() => {
                causes.push(Cause::invalid("spec.selector", selector, "empty selector is invalid for deployment"));
            }
            Ok(parsed) if !parsed.matches_labels(labels) => {
                let shown = labels.cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
                let why = "`selector` does not match template `labels`";
                causes.push(Cause::invalid("spec.template.metadata.labels", &shown, why));
            }
            Ok(_) => {}
        },
    }
    immutable(new, old, "/spec/selector", "spec.selector", causes);
    let template = spec.pointer("/template/spec").unwrap_or(&empty);
    pod::spec_at(template, "spec.template.spec", causes);
    let policy = template.get("restartPolicy");
    if let Some(shown) = policy.filter(|p| p.as_str() != Some("Always")) {
        causes.push(Cause::not_supported("spec.template.spec.restartPolicy", shown, &["Always"]));
    }
    if let Some(strategy) = spec.get("strategy") {
        one_of(strategy, "type", "spec.strategy.type", &["Recreate", "RollingUpdate"], causes);
        if strategy.get("type").and_then(Value::as_str) == Some("Recreate") && strategy.get("rollingUpdate").is_some() {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            causes.push(Cause::forbidden("spec.strategy.rollingUpdate", why));
        }
    }
}
