//! A pod's status, as a pure function of its specification and state.

mod conditions;
mod containers;
mod phase;
#[cfg(test)]
mod tests;

pub(crate) use phase::is_terminal;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{HostIP, Pod, PodIP, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::pod::state::PodState;

/// The status to write. Conditions of others stay; a transition time changes with its condition only.
pub(crate) fn compute(pod: &Pod, state: &PodState, host_ip: &str, now: Timestamp) -> PodStatus {
    let spec = pod.spec.clone().unwrap_or_default();
    let old = pod.status.clone().unwrap_or_default();
    let phase = phase::phase(&spec, state);
    let ip = state.ip.map(|ip| ip.to_string());
    let init = spec.init_containers.iter().flatten();
    PodStatus {
        conditions: Some(conditions::conditions(pod, state, phase, now)),
        container_statuses: Some(spec.containers.iter().map(|c| containers::status(c, state, false)).collect()),
        init_container_statuses: spec
            .init_containers
            .is_some()
            .then(|| init.map(|c| containers::status(c, state, true)).collect()),
        host_ip: Some(host_ip.to_owned()),
        host_ips: Some(vec![HostIP { ip: host_ip.to_owned() }]),
        pod_ips: ip.clone().map(|ip| vec![PodIP { ip }]),
        pod_ip: ip,
        phase: Some(phase.to_owned()),
        reason: state.failure.as_ref().map(|(reason, _)| reason.clone()),
        message: state.failure.as_ref().map(|(_, message)| message.clone()),
        qos_class: old.qos_class.or_else(|| Some(phase::qos_class(&spec).to_owned())),
        start_time: Some(Time(state.start)),
        ..PodStatus::default()
    }
}
