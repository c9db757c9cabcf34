//! The pod's phase, by the rules of the kubelet.

use k8s_openapi::api::core::v1::PodSpec;

use crate::pod::state::{Kind, Phase, PodState, RestartPolicy};

/// Nothing of such a pod runs, or will.
pub(crate) fn is_terminal(phase: Option<&str>) -> bool {
    matches!(phase, Some("Succeeded" | "Failed"))
}

pub(super) fn phase(spec: &PodSpec, state: &PodState) -> &'static str {
    if state.failure.is_some() {
        return "Failed";
    }
    let policy = RestartPolicy::of(spec);
    let mut inits = spec.init_containers.iter().flatten().filter(|c| Kind::of_init(c) == Kind::Init);
    let unfinished = inits.find_map(|c| state.containers.get(&c.name).filter(|state| !state.succeeded()));
    if let Some(init) = unfinished {
        let failed = matches!(init.phase, Phase::Ended(_)) && policy == RestartPolicy::Never;
        return if failed && state.finished { "Failed" } else { "Pending" };
    }
    let all: Vec<_> = spec.containers.iter().filter_map(|c| state.containers.get(&c.name)).collect();
    if state.finished {
        return if all.iter().all(|container| container.succeeded()) { "Succeeded" } else { "Failed" };
    }
    let never_ran = |phase: &Phase, restarts: i32| matches!(phase, Phase::Waiting { .. }) && restarts == 0;
    if all.iter().any(|container| never_ran(&container.phase, container.restarts) && container.last.is_none()) {
        return "Pending";
    }
    "Running"
}

/// `Guaranteed` when every container limits cpu and memory and asks for just that; `BestEffort` when none says anything.
pub(super) fn qos_class(spec: &PodSpec) -> &'static str {
    let mut best_effort = true;
    let mut guaranteed = true;
    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        let resources = container.resources.clone().unwrap_or_default();
        let (limits, requests) = (resources.limits.unwrap_or_default(), resources.requests.unwrap_or_default());
        best_effort &= limits.is_empty() && requests.is_empty();
        guaranteed &= ["cpu", "memory"].iter().all(|name| {
            let limit = limits.get(*name);
            limit.is_some() && requests.get(*name).is_none_or(|request| Some(request) == limit)
        });
    }
    match (best_effort, guaranteed) {
        (true, _) => "BestEffort",
        (_, true) => "Guaranteed",
        _ => "Burstable",
    }
}
