//! Container statuses.

use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::pod::state::{Ended, Kind, Phase, PodState};

pub(super) fn status(container: &Container, pod: &PodState, init: bool) -> ContainerStatus {
    let image = container.image.clone().unwrap_or_default();
    let Some(state) = pod.containers.get(&container.name) else {
        return ContainerStatus { name: container.name.clone(), image, ..ContainerStatus::default() };
    };
    // An init container that has done its work counts as ready.
    let done = init && Kind::of_init(container) == Kind::Init && state.succeeded();
    let ran = !state.id.is_empty();
    ContainerStatus {
        name: container.name.clone(),
        image_id: if ran { format!("isthmus://{image}") } else { String::new() },
        image,
        container_id: ran.then(|| state.id.clone()),
        ready: done || (state.is_running() && state.ready),
        started: Some(state.is_running() && state.started),
        restart_count: state.restarts,
        state: Some(phase(&state.phase)),
        last_state: Some(state.last.as_ref().map(terminated).unwrap_or_default()),
        ..ContainerStatus::default()
    }
}

fn phase(phase: &Phase) -> ContainerState {
    match phase {
        Phase::Waiting { reason, message } => ContainerState {
            waiting: Some(ContainerStateWaiting { reason: Some(reason.clone()), message: message.clone() }),
            ..ContainerState::default()
        },
        Phase::Running { since } => ContainerState {
            running: Some(ContainerStateRunning { started_at: Some(Time(*since)) }),
            ..ContainerState::default()
        },
        Phase::Ended(ended) => terminated(ended),
    }
}

fn terminated(ended: &Ended) -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            container_id: (!ended.id.is_empty()).then(|| ended.id.clone()),
            exit_code: ended.exit_code,
            finished_at: Some(Time(ended.finished)),
            message: ended.message.clone(),
            reason: Some(ended.reason.clone()),
            signal: None,
            started_at: ended.started.map(Time),
        }),
        ..ContainerState::default()
    }
}
