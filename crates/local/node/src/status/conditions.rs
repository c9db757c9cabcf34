//! Pod conditions.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::pod::state::{Kind, PodState};

type Verdict = Result<(), (&'static str, String)>;

pub(super) fn conditions(pod: &Pod, state: &PodState, phase: &str, now: Timestamp) -> Vec<PodCondition> {
    let spec = pod.spec.clone().unwrap_or_default();
    let containers = if super::is_terminal(Some(phase)) { over(phase) } else { containers_ready(&spec, state) };
    let ready = containers.clone().and_then(|()| gates(pod, &spec));
    let sandbox = state.ip.map(drop).ok_or_else(|| ("", String::new()));
    let own = [
        ("PodReadyToStartContainers", if state.finished { Err(("", String::new())) } else { sandbox }),
        (
            "Initialized",
            if phase == "Succeeded" { Err(("PodCompleted", String::new())) } else { initialized(&spec, state) },
        ),
        ("Ready", ready),
        ("ContainersReady", containers),
        ("PodScheduled", Ok(())),
    ];
    let old: Vec<PodCondition> = pod.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    let mut all: Vec<PodCondition> = own
        .iter()
        .map(|(kind, verdict)| condition(kind, verdict, old.iter().find(|condition| condition.type_ == *kind), now))
        .collect();
    all.extend(old.into_iter().filter(|condition| !own.iter().any(|(kind, _)| condition.type_ == *kind)));
    all
}

fn condition(kind: &str, verdict: &Verdict, old: Option<&PodCondition>, now: Timestamp) -> PodCondition {
    let status = if verdict.is_ok() { "True" } else { "False" };
    let (reason, message) = verdict.as_ref().err().cloned().unwrap_or_default();
    let since = old.filter(|old| old.status == status).and_then(|old| old.last_transition_time.clone());
    PodCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        message: (!message.is_empty()).then_some(message),
        last_transition_time: Some(since.unwrap_or(Time(now))),
        ..PodCondition::default()
    }
}

fn over(phase: &str) -> Verdict {
    Err((if phase == "Succeeded" { "PodCompleted" } else { "PodFailed" }, String::new()))
}

fn initialized(spec: &PodSpec, state: &PodState) -> Verdict {
    let waiting = spec.init_containers.iter().flatten().filter(|container| {
        let known = state.containers.get(&container.name);
        !known.is_some_and(|known| match Kind::of_init(container) {
            Kind::Sidecar => known.started,
            _ => known.succeeded(),
        })
    });
    none_of(waiting.map(|c| c.name.as_str()), "ContainersNotInitialized", "containers with incomplete status")
}

/// Sidecars count, init containers don't.
fn containers_ready(spec: &PodSpec, state: &PodState) -> Verdict {
    let sidecars = spec.init_containers.iter().flatten().filter(|c| Kind::of_init(c) == Kind::Sidecar);
    let unready = sidecars.chain(&spec.containers).filter(|container| {
        !state.containers.get(&container.name).is_some_and(|known| known.is_running() && known.ready)
    });
    none_of(unready.map(|c| c.name.as_str()), "ContainersNotReady", "containers with unready status")
}

fn none_of<'a>(names: impl Iterator<Item = &'a str>, reason: &'static str, what: &str) -> Verdict {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { Ok(()) } else { Err((reason, format!("{what}: [{}]", names.join(" ")))) }
}

/// Conditions that others set, and that the pod waits for.
fn gates(pod: &Pod, spec: &PodSpec) -> Verdict {
    let set = |kind: &str| {
        let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.any(|condition| condition.type_ == kind && condition.status == "True")
    };
    match spec.readiness_gates.iter().flatten().find(|gate| !set(&gate.condition_type)) {
        Some(gate) => Err(("ReadinessGatesNotReady", format!("condition {:?} is not True", gate.condition_type))),
        None => Ok(()),
    }
}
