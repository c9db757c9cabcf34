//! What a ReplicaSet does about its pods.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::controllers::objects::ready;
use crate::controllers::pods::{Readiness, is_active, readiness};

/// The pods whose end does the least harm: those that don't run yet, then those that aren't ready, then the cheapest to delete by their
/// annotation, the ones with more restarts, the younger ones.
pub(super) fn least_useful(pods: &[Pod], count: usize) -> Vec<&Pod> {
    let mut pods: Vec<&Pod> = pods.iter().collect();
    pods.sort_by_key(|pod| {
        let status = pod.status.as_ref();
        let assigned = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        let phase = match status.and_then(|status| status.phase.as_deref()) {
            Some("Running") => 2,
            Some("Unknown") => 1,
            _ => 0,
        };
        let cost = pod.annotations().get("controller.kubernetes.io/pod-deletion-cost");
        let cost: i32 = cost.and_then(|cost| cost.parse().ok()).unwrap_or(0);
        let ready_since = ready(pod).map(|condition| condition.last_transition_time.as_ref().map(|time| time.0));
        let statuses = status.and_then(|status| status.container_statuses.as_ref());
        let restarts = statuses.into_iter().flatten().map(|container| container.restart_count).max().unwrap_or(0);
        let made = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (assigned, phase, ready_since.is_some(), cost, Reverse(ready_since), Reverse(restarts), Reverse(made))
    });
    pods.truncate(count);
    pods
}

/// What a set's status says of its pods.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) replicas: i32,
    pub(super) fully_labeled: i32,
    pub(super) ready: i32,
    pub(super) available: i32,
    /// When the next ready pod will have been so for long enough.
    pub(super) next_available: Option<Duration>,
}

impl Counts {
    pub(super) fn replicas_missing(&self, spec: &ReplicaSetSpec) -> bool {
        self.replicas < spec.replicas.unwrap_or(1)
    }
}

pub(super) fn count(set: &ReplicaSet, active: &[Pod], now: Timestamp) -> Counts {
    let spec = set.spec.as_ref();
    let template = spec.and_then(|spec| spec.template.as_ref()?.metadata.as_ref()?.labels.clone()).unwrap_or_default();
    let mut counts = Counts::default();
    let add = |count: &mut i32| *count = count.saturating_add(1);
    for pod in active.iter().filter(|pod| is_active(pod)) {
        add(&mut counts.replicas);
        if template.iter().all(|(name, value)| pod.labels().get(name) == Some(value)) {
            add(&mut counts.fully_labeled);
        }
        match readiness(pod, spec.and_then(|spec| spec.min_ready_seconds), now) {
            Readiness::Not => {}
            Readiness::For(left) => {
                add(&mut counts.ready);
                counts.next_available = Some(counts.next_available.map_or(left, |soonest| soonest.min(left)));
            }
            Readiness::Available => {
                add(&mut counts.ready);
                add(&mut counts.available);
            }
        }
    }
    counts
}
