//! Defaults of what makes pods.

use serde_json::Value;

use super::{Object, child, entry, pod, put, put_text};

pub(super) fn replica_set(map: &mut Object) -> Option<()> {
    let spec = entry(map, "spec")?;
    put(spec, "replicas", 1);
    template(spec);
    Some(())
}

pub(super) fn replication_controller(map: &mut Object) -> Option<()> {
    replica_set(map);
    let spec = entry(map, "spec")?;
    let labels = spec.get("template")?.pointer("/metadata/labels")?.clone();
    put(spec, "selector", labels);
    Some(())
}

pub(super) fn deployment(map: &mut Object) -> Option<()> {
    let spec = entry(map, "spec")?;
    put(spec, "replicas", 1);
    put(spec, "revisionHistoryLimit", 10);
    put(spec, "progressDeadlineSeconds", 600);
    let strategy = entry(spec, "strategy")?;
    put_text(strategy, "type", "RollingUpdate");
    if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate") {
        let rolling = entry(strategy, "rollingUpdate")?;
        put(rolling, "maxUnavailable", "25%");
        put(rolling, "maxSurge", "25%");
    }
    template(spec);
    Some(())
}

pub(super) fn daemon_set(map: &mut Object) -> Option<()> {
    let spec = entry(map, "spec")?;
    put(spec, "revisionHistoryLimit", 10);
    if let Some(rolling) = rolling_update(spec)? {
        put(rolling, "maxUnavailable", 1);
        put(rolling, "maxSurge", 0);
    }
    template(spec);
    Some(())
}

pub(super) fn stateful_set(map: &mut Object) -> Option<()> {
    let spec = entry(map, "spec")?;
    put(spec, "replicas", 1);
    put(spec, "revisionHistoryLimit", 10);
    put_text(spec, "podManagementPolicy", "OrderedReady");
    if let Some(rolling) = rolling_update(spec)? {
        put(rolling, "partition", 0);
    }
    template(spec);
    Some(())
}

pub(super) fn job(map: &mut Object) -> Option<()> {
    let spec = entry(map, "spec")?;
    // Neither of them: a Job of one pod. Only the second: a queue, whose end the pods know.
    if spec.get("parallelism").is_none() {
        put(spec, "completions", 1);
    }
    put(spec, "parallelism", 1);
    put(spec, "backoffLimit", 6);
    put(spec, "suspend", false);
    put_text(spec, "completionMode", "NonIndexed");
    put_text(spec, "podReplacementPolicy", "TerminatingOrFailed");
    template(spec);
    Some(())
}

/// The strategy's fields, where it is a rolling update.
fn rolling_update(spec: &mut Object) -> Option<Option<&mut Object>> {
    let strategy = entry(spec, "updateStrategy")?;
    put_text(strategy, "type", "RollingUpdate");
    let rolling = strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate");
    Some(if rolling { Some(entry(strategy, "rollingUpdate")?) } else { None })
}

fn template(spec: &mut Object) {
    if let Some(spec) = child(spec, "template").and_then(|template| child(template, "spec")) {
        pod::spec(spec);
    }
}
