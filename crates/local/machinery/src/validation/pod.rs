//! Pods and pod templates.

use std::collections::HashSet;

use serde_json::Value;

use super::{list, names, one_of, port, text};
use crate::status::Cause;

pub(super) fn check(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let empty = Value::Null;
    let spec = new.get("spec").unwrap_or(&empty);
    spec_at(spec, "spec", causes);
    if let Some(old) = old {
        changes(spec, old.get("spec").unwrap_or(&empty), causes);
    }
}

/// A pod's spec, wherever it stands.
pub(super) fn spec_at(spec: &Value, field: &str, causes: &mut Vec<Cause>) {
    one_of(spec, "restartPolicy", &format!("{field}.restartPolicy"), &["Always", "OnFailure", "Never"], causes);
    let known = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];
    one_of(spec, "dnsPolicy", &format!("{field}.dnsPolicy"), &known, causes);
    if spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|s| s < 0) {
        let shown = spec.get("terminationGracePeriodSeconds").unwrap_or(&Value::Null);
        causes.push(Cause::invalid(
            format!("{field}.terminationGracePeriodSeconds"),
            shown,
            "must be greater than or equal to 0",
        ));
    }
    let volumes = volumes(spec, field, causes);
    if list(spec, "containers").next().is_none() {
        causes.push(Cause::required(format!("{field}.containers"), ""));
    }
    let mut taken = HashSet::new();
    for part in ["containers", "initContainers"] {
        let init = part == "initContainers";
        for (i, container) in list(spec, part) {
            let field = format!("{field}.{part}[{i}]");
            let name = text(container, "name");
            if name.is_empty() {
                causes.push(Cause::required(format!("{field}.name"), ""));
            } else if let Some(why) = names::label(name) {
                causes.push(Cause::invalid(format!("{field}.name"), &name.into(), &why));
            } else if !taken.insert(name) {
                causes.push(Cause::duplicate(format!("{field}.name"), &name.into()));
            }
            one(container, &field, init, &volumes, causes);
        }
    }
}

fn volumes<'a>(spec: &'a Value, field: &str, causes: &mut Vec<Cause>) -> HashSet<&'a str> {
    let mut known = HashSet::new();
    for (i, volume) in list(spec, "volumes") {
        let (field, name) = (format!("{field}.volumes[{i}]"), text(volume, "name"));
        if name.is_empty() {
            causes.push(Cause::required(format!("{field}.name"), ""));
        } else if let Some(why) = names::label(name) {
            causes.push(Cause::invalid(format!("{field}.name"), &name.into(), &why));
        } else if !known.insert(name) {
            causes.push(Cause::duplicate(format!("{field}.name"), &name.into()));
        }
        let sources = volume.as_object().map_or(0, |map| map.len().saturating_sub(1));
        if sources == 0 {
            causes.push(Cause::required(field, "must specify a volume type"));
        } else if sources > 1 {
            causes.push(Cause::forbidden(field, "may not specify more than 1 volume type"));
        }
    }
    known
}

fn one(container: &Value, field: &str, init: bool, volumes: &HashSet<&str>, causes: &mut Vec<Cause>) {
    let image = text(container, "image");
    if image.is_empty() {
        causes.push(Cause::required(format!("{field}.image"), ""));
    } else if image.trim() != image {
        causes.push(Cause::invalid(
            format!("{field}.image"),
            &image.into(),
            "must not have leading or trailing whitespace",
        ));
    }
    one_of(
        container,
        "imagePullPolicy",
        &format!("{field}.imagePullPolicy"),
        &["Always", "IfNotPresent", "Never"],
        causes,
    );
    ports(container, field, causes);
    for (i, env) in list(container, "env") {
        let (field, name) = (format!("{field}.env[{i}]"), text(env, "name"));
        if name.is_empty() {
            causes.push(Cause::required(format!("{field}.name"), ""));
        } else if let Some(why) = names::env_name(name) {
            causes.push(Cause::invalid(format!("{field}.name"), &name.into(), &why));
        }
        if !text(env, "value").is_empty() && env.get("valueFrom").is_some() {
            causes.push(Cause::invalid(
                format!("{field}.valueFrom"),
                &"".into(),
                "may not be specified when `value` is not empty",
            ));
        }
    }
    let mut paths = HashSet::new();
    for (i, mount) in list(container, "volumeMounts") {
        let (field, name, path) = (format!("{field}.volumeMounts[{i}]"), text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            causes.push(Cause::required(format!("{field}.name"), ""));
        } else if !volumes.contains(name) {
            causes.push(Cause::not_found(format!("{field}.name"), &name.into()));
        }
        if path.is_empty() {
            causes.push(Cause::required(format!("{field}.mountPath"), ""));
        } else if !paths.insert(path) {
            causes.push(Cause::invalid(format!("{field}.mountPath"), &path.into(), "must be unique"));
        }
    }
    let policy = container.get("restartPolicy");
    if let Some(shown) = policy.filter(|p| !init || p.as_str() != Some("Always")) {
        if init {
            causes.push(Cause::not_supported(format!("{field}.restartPolicy"), shown, &["Always"]));
        } else {
            causes.push(Cause::forbidden(format!("{field}.restartPolicy"), "may not be set for non-init containers"));
        }
    }
    let sidecar = policy.is_some();
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(value) = container.get(probe) else { continue };
        let field = format!("{field}.{probe}");
        if init && !sidecar {
            causes.push(Cause::forbidden(field, "may not be set for init containers without restartPolicy=Always"));
        } else {
            self::probe(value, &field, causes);
        }
    }
}

fn ports(container: &Value, field: &str, causes: &mut Vec<Cause>) {
    let mut taken = HashSet::new();
    for (i, value) in list(container, "ports") {
        let field = format!("{field}.ports[{i}]");
        let name = text(value, "name");
        if !name.is_empty() {
            if let Some(why) = names::port_name(name) {
                causes.push(Cause::invalid(format!("{field}.name"), &name.into(), &why));
            } else if !taken.insert(name) {
                causes.push(Cause::duplicate(format!("{field}.name"), &name.into()));
            }
        }
        if value.get("containerPort").is_none_or(|p| p.as_i64() == Some(0)) {
            causes.push(Cause::required(format!("{field}.containerPort"), ""));
        } else {
            port(value.get("containerPort"), &format!("{field}.containerPort"), causes);
        }
        one_of(value, "protocol", &format!("{field}.protocol"), &["SCTP", "TCP", "UDP"], causes);
    }
}

fn probe(probe: &Value, field: &str, causes: &mut Vec<Cause>) {
    let handlers = ["exec", "grpc", "httpGet", "tcpSocket"];
    match handlers.iter().filter(|name| probe.get(**name).is_some()).count() {
        0 => causes.push(Cause::required(field, "must specify a handler type")),
        1 => {}
        _ => causes.push(Cause::forbidden(field, "may not specify more than 1 handler type")),
    }
    for name in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        if let Some(shown) = probe.get(name).filter(|v| v.as_i64().is_some_and(|n| n < 0)) {
            causes.push(Cause::invalid(format!("{field}.{name}"), shown, "must be greater than or equal to 0"));
        }
    }
    for name in ["httpGet", "tcpSocket"] {
        let Some(to) = probe.get(name).and_then(|handler| handler.get("port")) else { continue };
        let field = format!("{field}.{name}.port");
        match to.as_str() {
            Some(text) => {
                if let Some(why) = names::port_name(text) {
                    causes.push(Cause::invalid(field, to, &why));
                }
            }
            None => port(Some(to), &field, causes),
        }
    }
}

/// Of a Pod's spec only a few fields may change.
fn changes(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let still = |spec: &Value| {
        let mut spec = spec.clone();
        if let Some(map) = spec.as_object_mut() {
            for free in [
                "activeDeadlineSeconds",
                "terminationGracePeriodSeconds",
                "tolerations",
                "nodeName",
                "schedulingGates",
                "ephemeralContainers",
            ] {
                map.remove(free);
            }
            for part in ["containers", "initContainers"] {
                for container in map.get_mut(part).and_then(Value::as_array_mut).into_iter().flatten() {
                    if let Some(container) = container.as_object_mut() {
                        container.remove("image");
                        container.remove("resources");
                    }
                }
            }
        }
        spec
    };
    let node = |spec: &Value| text(spec, "nodeName").to_owned();
    if still(new) != still(old) || (!node(old).is_empty() && node(new) != node(old)) {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        causes.push(Cause::forbidden("spec", why));
    }
}
