//! What runs pods for as long as it is there: Deployments, ReplicaSets, ReplicationControllers, DaemonSets, StatefulSets.

use serde_json::Value;

use super::{immutable, meta, one_of, pod, text};
use crate::{selector::LabelSelector, status::Cause};

pub(super) fn check(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    let spec = new.get("spec").unwrap_or(&empty);
    counts(spec, &["replicas", "minReadySeconds"], causes);
    selector(spec, causes);
    immutable(new, old, "/spec/selector", "spec.selector", causes);
    template(spec, &["Always"], causes);
    if let Some(strategy) = spec.get("strategy") {
        one_of(strategy, "type", "spec.strategy.type", &["Recreate", "RollingUpdate"], causes);
        if text(strategy, "type") == "Recreate" && strategy.get("rollingUpdate").is_some() {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            causes.push(Cause::forbidden("spec.strategy.rollingUpdate", why));
        }
    }
    update_strategy(spec, causes);
}

/// What the embedded cluster can't keep is refused: disks, and old templates.
pub(super) fn stateful_set(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    check(new, old, causes);
    let empty = Value::Null;
    let spec = new.get("spec").unwrap_or(&empty);
    let claims = spec.get("volumeClaimTemplates").and_then(Value::as_array);
    if claims.is_some_and(|claims| !claims.is_empty()) {
        let why = "the embedded cluster has no persistent volumes: use an emptyDir in spec.template.spec.volumes";
        causes.push(Cause::forbidden("spec.volumeClaimTemplates", why));
    }
    if spec.pointer("/updateStrategy/rollingUpdate/partition").and_then(Value::as_i64).is_some_and(|from| from != 0) {
        let why = "the embedded cluster keeps no earlier template: leave it out, or use updateStrategy.type: OnDelete";
        causes.push(Cause::forbidden("spec.updateStrategy.rollingUpdate.partition", why));
    }
    one_of(spec, "podManagementPolicy", "spec.podManagementPolicy", &["OrderedReady", "Parallel"], causes);
    for (pointer, field) in
        [("/spec/serviceName", "spec.serviceName"), ("/spec/podManagementPolicy", "spec.podManagementPolicy")]
    {
        immutable(new, old, pointer, field, causes);
    }
}

/// Its selector is a map of labels.
pub(super) fn replication_controller(new: &Value, causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    let spec = new.get("spec").unwrap_or(&empty);
    counts(spec, &["replicas", "minReadySeconds"], causes);
    let labels = spec.pointer("/template/metadata/labels");
    meta::labels_at(labels, "spec.template.labels", causes);
    match spec.get("selector").and_then(Value::as_object).filter(|selector| !selector.is_empty()) {
        None => causes.push(Cause::required("spec.selector", "")),
        Some(selector) => {
            let has = |(name, value): (&String, &Value)| labels.and_then(|labels| labels.get(name)) == Some(value);
            if !selector.iter().all(has) {
                causes.push(mismatch(labels));
            }
        }
    }
    template(spec, &["Always"], causes);
}

/// Whole numbers that may not be negative.
pub(super) fn counts(spec: &Value, fields: &[&str], causes: &mut Vec<Cause>) {
    for field in fields {
        if let Some(shown) = spec.get(field).filter(|v| v.as_i64().is_some_and(|n| n < 0)) {
            causes.push(Cause::invalid(format!("spec.{field}"), shown, "must be greater than or equal to 0"));
        }
    }
}

/// The pods that are made, and how their containers may end.
pub(super) fn template(spec: &Value, policies: &[&str], causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    let template = spec.pointer("/template/spec").unwrap_or(&empty);
    pod::spec_at(template, "spec.template.spec", causes);
    let policy = template.get("restartPolicy");
    if let Some(shown) = policy.filter(|policy| !policy.as_str().is_some_and(|policy| policies.contains(&policy))) {
        causes.push(Cause::not_supported("spec.template.spec.restartPolicy", shown, policies));
    }
}

fn selector(spec: &Value, causes: &mut Vec<Cause>) {
    let labels = spec.pointer("/template/metadata/labels");
    meta::labels_at(labels, "spec.template.labels", causes);
    match spec.get("selector") {
        None => causes.push(Cause::required("spec.selector", "")),
        Some(selector) => match LabelSelector::from_object(selector) {
            Err(error) => causes.push(Cause::invalid("spec.selector", selector, &error.message)),
            Ok(parsed) if parsed.is_empty() => {
                causes.push(Cause::invalid("spec.selector", selector, "empty selector is invalid"));
            }
            Ok(parsed) if !parsed.matches_labels(labels) => causes.push(mismatch(labels)),
            Ok(_) => {}
        },
    }
}

fn mismatch(labels: Option<&Value>) -> Cause {
    let shown = labels.cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let why = "`selector` does not match template `labels`";
    Cause::invalid("spec.template.metadata.labels", &shown, why)
}

fn update_strategy(spec: &Value, causes: &mut Vec<Cause>) {
    if let Some(strategy) = spec.get("updateStrategy") {
        one_of(strategy, "type", "spec.updateStrategy.type", &["OnDelete", "RollingUpdate"], causes);
    }
}
