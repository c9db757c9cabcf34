use serde_json::json;

use super::*;
use crate::pod::state::{Ended, Phase};

fn pod(spec: serde_json::Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n"}, "spec": spec})).unwrap()
}

fn with_init(policy: &str) -> Pod {
    pod(json!({"restartPolicy": policy,
        "initContainers": [{"name": "init", "image": "local/sh"}, {"name": "side", "image": "local/sh", "restartPolicy": "Always"}],
        "containers": [{"name": "a", "image": "local/sh"}, {"name": "b", "image": "local/sh"}]}))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ended(exit_code: i32) -> Phase {
    Phase::Ended(Ended {
        exit_code,
        reason: "x".into(),
        message: None,
        started: Some(at(1)),
        finished: at(2),
        id: "id".into(),
    })
}

fn set(state: &mut PodState, name: &str, phase: Phase) {
    let container = state.containers.get_mut(name).unwrap();
    container.started = matches!(phase, Phase::Running { .. });
    container.ready = container.started;
    container.phase = phase;
    container.id = "id".into();
}

fn running() -> Phase {
    Phase::Running { since: at(1) }
}

fn phase_of(pod: &Pod, state: &PodState) -> String {
    compute(pod, state, "10.42.0.1", at(10)).phase.unwrap()
}

fn condition(status: &PodStatus, kind: &str) -> (String, Option<String>) {
    let conditions = status.conditions.as_ref().unwrap();
    let found = conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    (found.status.clone(), found.reason.clone())
}

#[test]
fn a_pod_goes_from_pending_to_running_to_succeeded() {
    let pod = with_init("Never");
    let mut state = PodState::new(&pod, at(0));
    assert_eq!(phase_of(&pod, &state), "Pending");
    set(&mut state, "init", running());
    assert_eq!(phase_of(&pod, &state), "Pending");
    set(&mut state, "init", ended(0));
    set(&mut state, "side", running());
    set(&mut state, "a", running());
    assert_eq!(phase_of(&pod, &state), "Pending");
    set(&mut state, "b", running());
    let status = compute(&pod, &state, "10.42.0.1", at(10));
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert_eq!(condition(&status, "Ready"), ("True".into(), None));
    assert_eq!(condition(&status, "Initialized"), ("True".into(), None));
    set(&mut state, "a", ended(0));
    set(&mut state, "b", ended(0));
    assert_eq!(phase_of(&pod, &state), "Running", "until the sidecar has been stopped");
    state.finished = true;
    let status = compute(&pod, &state, "10.42.0.1", at(10));
    assert_eq!(status.phase.as_deref(), Some("Succeeded"));
    assert_eq!(condition(&status, "Ready"), ("False".into(), Some("PodCompleted".into())));
}

#[test]
fn a_failed_container_or_init_container_fails_a_pod_that_never_restarts() {
    let pod = with_init("Never");
    let mut state = PodState::new(&pod, at(0));
    set(&mut state, "init", ended(3));
    state.finished = true;
    assert_eq!(phase_of(&pod, &state), "Failed");
    set(&mut state, "init", ended(0));
    set(&mut state, "a", ended(0));
    set(&mut state, "b", ended(137));
    assert_eq!(phase_of(&pod, &state), "Failed");
}

#[test]
fn a_container_in_back_off_leaves_the_pod_running_but_not_ready() {
    let pod = with_init("Always");
    let mut state = PodState::new(&pod, at(0));
    set(&mut state, "init", ended(0));
    for name in ["side", "a", "b"] {
        set(&mut state, name, running());
    }
    set(&mut state, "b", Phase::Waiting { reason: "CrashLoopBackOff".into(), message: None });
    state.containers.get_mut("b").unwrap().restarts = 2;
    let status = compute(&pod, &state, "10.42.0.1", at(10));
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert_eq!(condition(&status, "ContainersReady"), ("False".into(), Some("ContainersNotReady".into())));
    let waiting = status.container_statuses.unwrap()[1].state.clone().unwrap().waiting.unwrap();
    assert_eq!(waiting.reason.as_deref(), Some("CrashLoopBackOff"));
}

#[test]
fn transition_times_change_with_the_condition_only_and_foreign_conditions_stay() {
    let mut pod = with_init("Always");
    let state = PodState::new(&pod, at(0));
    pod.status = Some(compute(&pod, &state, "10.42.0.1", at(10)));
    let foreign = serde_json::from_value(json!({"type": "example.com/gate", "status": "False"})).unwrap();
    pod.status.as_mut().unwrap().conditions.as_mut().unwrap().push(foreign);
    pod.spec.as_mut().unwrap().readiness_gates =
        serde_json::from_value(json!([{"conditionType": "example.com/gate"}])).unwrap();
    let mut later = state.clone();
    set(&mut later, "init", ended(0));
    for name in ["side", "a", "b"] {
        set(&mut later, name, running());
    }
    let status = compute(&pod, &later, "10.42.0.1", at(20));
    let time = |kind: &str| {
        let conditions = status.conditions.as_ref().unwrap();
        conditions.iter().find(|c| c.type_ == kind).unwrap().last_transition_time.clone().map(|time| time.0)
    };
    assert_eq!(
        (time("PodScheduled"), time("Initialized"), time("ContainersReady")),
        (Some(at(10)), Some(at(20)), Some(at(20)))
    );
    assert_eq!(condition(&status, "Ready"), ("False".into(), Some("ReadinessGatesNotReady".into())));
    assert_eq!(condition(&status, "example.com/gate"), ("False".into(), None));
}

#[test]
fn quality_of_service_follows_requests_and_limits() {
    let class = |resources: serde_json::Value| {
        phase::qos_class(&pod(json!({"containers": [{"name": "a", "resources": resources}]})).spec.unwrap())
    };
    assert_eq!(class(json!({})), "BestEffort");
    assert_eq!(class(json!({"requests": {"cpu": "1"}})), "Burstable");
    assert_eq!(class(json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1"}})), "Guaranteed");
}
