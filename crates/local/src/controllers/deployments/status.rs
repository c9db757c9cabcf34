//! What a deployment's status says.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentSpec, DeploymentStatus, ReplicaSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::rolling::Limits;

const PROGRESSING: &str = "Progressing";
const COMPLETE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

pub(super) fn compute(
    deployment: &Deployment,
    spec: &DeploymentSpec,
    sets: &[ReplicaSet],
    current: Option<&ReplicaSet>,
    now: Timestamp,
) -> DeploymentStatus {
    let old = deployment.status.clone().unwrap_or_default();
    let sum = |count: &dyn Fn(&ReplicaSet) -> Option<i32>| {
        sets.iter().map(|set| count(set).unwrap_or(0)).fold(0, i32::saturating_add)
    };
    let available = sum(&|set| set.status.as_ref()?.available_replicas);
    let asked = sum(&|set| set.spec.as_ref()?.replicas);
    let mut status = DeploymentStatus {
        available_replicas: Some(available),
        collision_count: old.collision_count,
        observed_generation: deployment.metadata.generation,
        ready_replicas: Some(sum(&|set| set.status.as_ref()?.ready_replicas)),
        replicas: Some(sum(&|set| Some(set.status.as_ref()?.replicas))),
        unavailable_replicas: Some(asked.saturating_sub(available).max(0)),
        updated_replicas: Some(current.and_then(|set| Some(set.status.as_ref()?.replicas)).unwrap_or(0)),
        ..DeploymentStatus::default()
    };
    let limits = Limits::of(spec);
    let mut conditions = old.conditions.clone().unwrap_or_default();
    set(&mut conditions, availability(available >= limits.least()), now, false);
    if let Some((condition, renewed)) = progress(spec, &old, &status, current, &limits, now) {
        set(&mut conditions, condition, now, renewed);
    }
    status.conditions = Some(conditions);
    status
}

/// Type, status, reason and message of a condition.
struct Condition(&'static str, &'static str, &'static str, String);

fn availability(enough: bool) -> Condition {
    if enough {
        let message = "Deployment has minimum availability.".into();
        Condition("Available", "True", "MinimumReplicasAvailable", message)
    } else {
        let message = "Deployment does not have minimum availability.".into();
        Condition("Available", "False", "MinimumReplicasUnavailable", message)
    }
}

/// How the rollout goes, and whether its clock begins anew. None leaves it as it was.
fn progress(
    spec: &DeploymentSpec,
    old: &DeploymentStatus,
    new: &DeploymentStatus,
    current: Option<&ReplicaSet>,
    limits: &Limits,
    now: Timestamp,
) -> Option<(Condition, bool)> {
    let before = old.conditions.iter().flatten().find(|condition| condition.type_ == PROGRESSING);
    let reason_before = before.and_then(|condition| condition.reason.as_deref());
    if spec.paused == Some(true) {
        return Some((Condition(PROGRESSING, "Unknown", "DeploymentPaused", "Deployment is paused".into()), false));
    }
    let name = current.map(ResourceExt::name_any)?;
    let desired = Some(limits.desired);
    let complete =
        [new.updated_replicas, new.replicas, new.available_replicas].iter().all(|replicas| *replicas == desired);
    if complete {
        let message = format!("ReplicaSet \"{name}\" has successfully progressed.");
        return Some((Condition(PROGRESSING, "True", COMPLETE, message), reason_before != Some(COMPLETE)));
    }
    let zero = |count: Option<i32>| count.unwrap_or(0);
    let outdated = |status: &DeploymentStatus| zero(status.replicas).saturating_sub(zero(status.updated_replicas));
    let moved = zero(new.updated_replicas) > zero(old.updated_replicas)
        || outdated(new) < outdated(old)
        || zero(new.ready_replicas) > zero(old.ready_replicas)
        || zero(new.available_replicas) > zero(old.available_replicas);
    // A new template begins a new rollout.
    let begins = old.observed_generation != new.observed_generation
        && (reason_before == Some(COMPLETE) || reason_before == Some(TIMED_OUT) || before.is_none());
    if moved || begins || before.is_none() || reason_before == Some("DeploymentPaused") {
        let message = format!("ReplicaSet \"{name}\" is progressing.");
        return Some((Condition(PROGRESSING, "True", "ReplicaSetUpdated", message), true));
    }
    // Pods that come and go after the rollout's end are none of its business.
    let running = reason_before != Some(COMPLETE) && reason_before != Some(TIMED_OUT);
    let late = running && remaining(spec, before?, now)?.is_zero();
    late.then(|| {
        let message = format!("ReplicaSet \"{name}\" has timed out progressing.");
        (Condition(PROGRESSING, "False", TIMED_OUT, message), true)
    })
}

/// What is left of `progressDeadlineSeconds`; none where there is no deadline.
fn remaining(spec: &DeploymentSpec, progressing: &DeploymentCondition, now: Timestamp) -> Option<Duration> {
    let deadline = spec.progress_deadline_seconds.filter(|seconds| *seconds != i32::MAX).unwrap_or(600);
    let since = progressing.last_update_time.as_ref().map_or(now, |time| time.0);
    let left = SignedDuration::from_secs(i64::from(deadline)).saturating_sub(now.duration_since(since));
    Some(Duration::try_from(left).unwrap_or(Duration::ZERO))
}

/// When to look whether the rollout is late.
pub(super) fn deadline(spec: &DeploymentSpec, status: &DeploymentStatus, now: Timestamp) -> Option<Duration> {
    let progressing = status.conditions.iter().flatten().find(|condition| condition.type_ == PROGRESSING)?;
    let running = progressing.status == "True" && progressing.reason.as_deref() != Some(COMPLETE);
    let left = running.then(|| remaining(spec, progressing, now)).flatten()?;
    Some(left.saturating_add(Duration::from_secs(1)))
}

fn set(conditions: &mut Vec<DeploymentCondition>, new: Condition, now: Timestamp, renewed: bool) {
    let Condition(type_, status, reason, message) = new;
    let at = conditions.iter().position(|condition| condition.type_ == type_);
    let old = at.map(|at| conditions.remove(at));
    let same_status = old.as_ref().filter(|old| old.status == status);
    let same = same_status.filter(|old| old.reason.as_deref() == Some(reason) && !renewed);
    let condition = DeploymentCondition {
        type_: type_.into(),
        status: status.into(),
        reason: Some(reason.into()),
        message: Some(message),
        last_transition_time: same_status.map_or(Some(Time(now)), |old| old.last_transition_time.clone()),
        last_update_time: same.map_or(Some(Time(now)), |old| old.last_update_time.clone()),
    };
    conditions.insert(at.unwrap_or(conditions.len()), condition);
}

/// Whether there is nothing to write, where none is zero.
pub(super) fn same(new: &DeploymentStatus, old: Option<&DeploymentStatus>) -> bool {
    let Some(old) = old else { return false };
    let numbers = |status: &DeploymentStatus| {
        [
            status.available_replicas,
            status.ready_replicas,
            status.replicas,
            status.unavailable_replicas,
            status.updated_replicas,
        ]
        .map(|count| count.unwrap_or(0))
    };
    numbers(new) == numbers(old)
        && new.observed_generation == old.observed_generation
        && crate::controllers::objects::same(&new.conditions, &old.conditions)
}

#[cfg(test)]
mod tests;
