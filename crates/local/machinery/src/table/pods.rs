//! Pods: STATUS as `kubectl get pods` computes it (pkg/printers/internalversion).

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Computed,
    age::human,
    cells::{age, condition, joined, list, number, or_none, text},
};
use crate::meta;

pub(super) const COLUMNS: &[Computed] = &[
    ("Ready", false, ready),
    ("Status", false, status),
    ("Restarts", false, restarts),
    ("Age", false, age),
    ("IP", true, |pod, _| or_none(text(pod, "/status/podIP"))),
    ("Node", true, |pod, _| or_none(text(pod, "/spec/nodeName"))),
    ("Nominated Node", true, |pod, _| or_none(text(pod, "/status/nominatedNodeName"))),
    ("Readiness Gates", true, gates),
];

/// The containers that count: the app's own, and init containers that stay (native sidecars).
fn counted(pod: &Value) -> impl Iterator<Item = &Value> {
    let stays = |status: &&Value| is_sidecar(pod, text(status, "/name"));
    list(pod, "/status/initContainerStatuses").iter().filter(stays).chain(list(pod, "/status/containerStatuses"))
}

fn is_sidecar(pod: &Value, container: &str) -> bool {
    let spec = list(pod, "/spec/initContainers").iter().find(|c| text(c, "/name") == container);
    spec.is_some_and(|c| text(c, "/restartPolicy") == "Always")
}

fn ready(pod: &Value, _: Timestamp) -> Value {
    let sidecars = list(pod, "/spec/initContainers").iter().filter(|c| text(c, "/restartPolicy") == "Always").count();
    let total = list(pod, "/spec/containers").len() + sidecars;
    let ready = counted(pod).filter(|s| s.get("ready").and_then(Value::as_bool) == Some(true)).count();
    format!("{ready}/{total}").into()
}

fn status(pod: &Value, _: Timestamp) -> Value {
    let mut shown = text(pod, "/status/phase").to_owned();
    let reason = text(pod, "/status/reason");
    if !reason.is_empty() {
        reason.clone_into(&mut shown);
    }
    if let Some(initializing) = initializing(pod) {
        shown = initializing;
    } else {
        let mut running = false;
        for status in list(pod, "/status/containerStatuses").iter().rev() {
            if let Some(state) = stopped(status) {
                shown = state;
            } else if status.pointer("/state/running").is_some() && status.get("ready") == Some(&Value::Bool(true)) {
                running = true;
            }
        }
        if shown == "Completed" && running {
            let is_ready = condition(pod, "Ready").is_some_and(|c| text(c, "/status") == "True");
            (if is_ready { "Running" } else { "NotReady" }).clone_into(&mut shown);
        }
    }
    if !meta::text(pod, "deletionTimestamp").is_empty() {
        (if reason == "NodeLost" { "Unknown" } else { "Terminating" }).clone_into(&mut shown);
    }
    shown.into()
}

/// What the first unfinished init container says; `None` when all are done (or started, for sidecars).
fn initializing(pod: &Value) -> Option<String> {
    let total = list(pod, "/spec/initContainers").len();
    for (index, status) in list(pod, "/status/initContainerStatuses").iter().enumerate() {
        let exited = status.pointer("/state/terminated").map(|t| number(t, "/exitCode"));
        let started = status.get("started").and_then(Value::as_bool) == Some(true);
        if exited == Some(0) || (started && is_sidecar(pod, text(status, "/name"))) {
            continue;
        }
        let waiting = text(status, "/state/waiting/reason");
        return Some(match stopped(status) {
            Some(reason) if exited.is_some() => format!("Init:{reason}"),
            _ if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
            _ => format!("Init:{index}/{total}"),
        });
    }
    None
}

/// The reason of a container that waits or has ended.
fn stopped(status: &Value) -> Option<String> {
    let waiting = text(status, "/state/waiting/reason");
    if !waiting.is_empty() {
        return Some(waiting.to_owned());
    }
    let ended = status.pointer("/state/terminated")?;
    let reason = text(ended, "/reason");
    Some(match (reason, number(ended, "/signal"), number(ended, "/exitCode")) {
        ("", 0, code) => format!("ExitCode:{code}"),
        ("", signal, _) => format!("Signal:{signal}"),
        (reason, ..) => reason.to_owned(),
    })
}

fn restarts(pod: &Value, now: Timestamp) -> Value {
    let total: i64 = counted(pod).map(|s| number(s, "/restartCount")).sum();
    let last = counted(pod).filter_map(|s| meta::parse_time(text(s, "/lastState/terminated/finishedAt"))).max();
    match last {
        Some(last) if total > 0 => format!("{total} ({} ago)", human(now.as_second() - last.as_second())).into(),
        _ => total.to_string().into(),
    }
}

fn gates(pod: &Value, _: Timestamp) -> Value {
    let gates = list(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return joined::<&str>([]);
    }
    let holds =
        |gate: &&Value| condition(pod, text(gate, "/conditionType")).is_some_and(|c| text(c, "/status") == "True");
    format!("{}/{}", gates.iter().filter(holds).count(), gates.len()).into()
}
