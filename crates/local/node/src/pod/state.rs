//! What the node knows of a pod's run. The status is made of this and the pod's specification, by a pure function.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Waiting { reason: String, message: Option<String> },
    Running { since: Timestamp },
    Ended(Ended),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) exit_code: i32,
    pub(crate) reason: String,
    pub(crate) message: Option<String>,
    pub(crate) started: Option<Timestamp>,
    pub(crate) finished: Timestamp,
    pub(crate) id: String,
}

/// One container of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerState {
    pub(crate) phase: Phase,
    /// How the run before the present one ended.
    pub(crate) last: Option<Ended>,
    pub(crate) restarts: i32,
    /// Its startup probe, if any, has succeeded.
    pub(crate) started: bool,
    /// Its readiness probe, if any, says so; else as `started`.
    pub(crate) ready: bool,
    /// The present run's name; empty before the first.
    pub(crate) id: String,
}

impl ContainerState {
    fn waiting(reason: &str) -> Self {
        ContainerState {
            phase: Phase::Waiting { reason: reason.into(), message: None },
            last: None,
            restarts: 0,
            started: false,
            ready: false,
            id: String::new(),
        }
    }

    pub(crate) fn succeeded(&self) -> bool {
        matches!(&self.phase, Phase::Ended(ended) if ended.exit_code == 0)
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }
}

/// The pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodState {
    pub(crate) containers: BTreeMap<String, ContainerState>,
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) start: Timestamp,
    /// Nothing will run any more.
    pub(crate) finished: bool,
    /// The pod failed as a whole: a reason and a message.
    pub(crate) failure: Option<(String, String)>,
}

impl PodState {
    /// Everything waits.
    pub(crate) fn new(pod: &Pod, now: Timestamp) -> Self {
        let spec = pod.spec.clone().unwrap_or_default();
        let has_init = spec.init_containers.iter().flatten().next().is_some();
        let main = spec.containers.iter().map(|c| (c, if has_init { "PodInitializing" } else { "ContainerCreating" }));
        let init = spec.init_containers.iter().flatten().map(|c| (c, "PodInitializing"));
        let containers = init.chain(main).map(|(c, reason)| (c.name.clone(), ContainerState::waiting(reason)));
        let start = pod.status.as_ref().and_then(|status| status.start_time.as_ref()).map_or(now, |time| time.0);
        PodState { containers: containers.collect(), ip: None, start, finished: false, failure: None }
    }
}

/// What a container is to its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Runs before the others, to its end.
    Init,
    /// An init container that keeps running beside the others.
    Sidecar,
    Main,
}

impl Kind {
    pub(crate) fn of_init(container: &Container) -> Self {
        if container.restart_policy.as_deref() == Some("Always") { Kind::Sidecar } else { Kind::Init }
    }
}

/// A pod's `restartPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl RestartPolicy {
    pub(crate) fn of(spec: &PodSpec) -> Self {
        match spec.restart_policy.as_deref() {
            Some("Never") => RestartPolicy::Never,
            Some("OnFailure") => RestartPolicy::OnFailure,
            _ => RestartPolicy::Always,
        }
    }

    /// Whether a container that ended so is started again.
    pub(crate) fn restarts(self, kind: Kind, exit_code: i32) -> bool {
        match (kind, self) {
            (Kind::Sidecar, _) | (Kind::Main, RestartPolicy::Always) => true,
            (Kind::Main, RestartPolicy::OnFailure) | (Kind::Init, RestartPolicy::Always | RestartPolicy::OnFailure) => {
                exit_code != 0
            }
            (_, RestartPolicy::Never) => false,
        }
    }
}
