//! What a Job does next, and what its status says.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{JobCondition, JobSpec, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::controllers::objects::ready;
use crate::controllers::pods::{BATCH, is_active};

const COMPLETE: &str = "Complete";
const FAILED: &str = "Failed";
const SUSPENDED: &str = "Suspended";
/// Pause after a pod has failed, doubled each time.
const FIRST_PAUSE: u64 = 10;
const LONGEST_PAUSE: u64 = 360;

/// What its pods have come to.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Counts {
    active: i32,
    ready: i32,
    terminating: i32,
    succeeded: i32,
    failed: i32,
    /// Of containers in pods that restart them.
    restarts: i32,
    last_failure: Option<Timestamp>,
}

impl Counts {
    pub(super) fn of(pods: &[Pod]) -> Self {
        let mut counts = Self::default();
        for pod in pods {
            let status = pod.status.as_ref();
            match status.and_then(|status| status.phase.as_deref()) {
                Some("Succeeded") => counts.succeeded += 1,
                Some("Failed") => {
                    counts.failed += 1;
                    counts.last_failure = counts.last_failure.max(last_end(pod));
                }
                _ if !is_active(pod) => counts.terminating += 1,
                _ => {
                    counts.active += 1;
                    counts.ready += i32::from(ready(pod).is_some());
                }
            }
            let of_pod = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
            let statuses = status.and_then(|status| status.container_statuses.as_ref()).into_iter().flatten();
            if of_pod == Some("OnFailure") {
                counts.restarts += statuses.map(|container| container.restart_count).sum::<i32>();
            }
        }
        counts
    }
}

/// When the last of its containers has ended.
fn last_end(pod: &Pod) -> Option<Timestamp> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().filter_map(|status| Some(status.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()?.0)).max()
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    /// So many more pods.
    Make(i32),
    /// So many fewer.
    End(usize),
    /// No more for this long, since one has failed.
    Wait(Duration),
    Rest,
    /// Nothing runs while it is suspended.
    Suspend,
    Complete,
    /// For this reason and message.
    Fail(&'static str, &'static str),
}

impl Decision {
    pub(super) fn make(&self) -> i32 {
        if let Self::Make(count) = self { *count } else { 0 }
    }

    /// How many of the active pods are to be ended.
    pub(super) fn end(&self, active: usize) -> usize {
        match self {
            Self::End(count) => *count,
            Self::Suspend | Self::Complete | Self::Fail(..) => active,
            _ => 0,
        }
    }
}

pub(super) fn decide(spec: &JobSpec, status: &JobStatus, counts: &Counts, now: Timestamp) -> Decision {
    let parallelism = spec.parallelism.unwrap_or(1);
    let enough = match spec.completions {
        Some(completions) => counts.succeeded >= completions,
        // A queue of unknown length: one that ended well has found it empty, and the others end by themselves.
        None => counts.succeeded > 0 && counts.active == 0,
    };
    if enough {
        return Decision::Complete;
    }
    if counts.failed.saturating_add(counts.restarts) > spec.backoff_limit.unwrap_or(6) {
        return Decision::Fail("BackoffLimitExceeded", "Job has reached the specified backoff limit");
    }
    if time_left(spec, status, now) == Some(Duration::ZERO) {
        return Decision::Fail("DeadlineExceeded", "Job was active longer than specified deadline");
    }
    if spec.suspend == Some(true) {
        return Decision::Suspend;
    }
    let wanted = match spec.completions {
        Some(completions) => parallelism.min(completions.saturating_sub(counts.succeeded)),
        None if counts.succeeded > 0 => counts.active,
        None => parallelism,
    };
    let missing = wanted.saturating_sub(counts.active);
    match usize::try_from(missing.saturating_neg()) {
        Ok(surplus @ 1..) => return Decision::End(surplus),
        _ if missing == 0 => return Decision::Rest,
        _ => {}
    }
    let pause = FIRST_PAUSE.saturating_mul(1 << (counts.failed - 1).clamp(0, 10)).min(LONGEST_PAUSE);
    match counts.last_failure.and_then(|failure| left(failure, pause, now)) {
        Some(left) => Decision::Wait(left),
        None => Decision::Make(missing.min(i32::try_from(BATCH).unwrap_or(i32::MAX))),
    }
}

/// What is left of a time that began then; none if it is over.
pub(super) fn left(since: Timestamp, seconds: u64, now: Timestamp) -> Option<Duration> {
    let gone = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    Duration::from_secs(seconds).checked_sub(gone).filter(|left| !left.is_zero())
}

/// What is left of its `activeDeadlineSeconds`, where it has some.
pub(super) fn time_left(spec: &JobSpec, status: &JobStatus, now: Timestamp) -> Option<Duration> {
    let deadline = spec.active_deadline_seconds.and_then(|seconds| u64::try_from(seconds).ok())?;
    Some(left(status.start_time.as_ref()?.0, deadline, now).unwrap_or_default())
}

/// When it has ended, for good.
pub(super) fn ended(status: &JobStatus) -> Option<Timestamp> {
    let is_end =
        |condition: &&JobCondition| [COMPLETE, FAILED].contains(&&*condition.type_) && condition.status == "True";
    let condition = status.conditions.iter().flatten().find(is_end)?;
    Some(condition.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0))
}

pub(super) fn status(old: &JobStatus, counts: &Counts, decision: &Decision, now: Timestamp) -> JobStatus {
    let ends = decision.end(usize::try_from(counts.active).unwrap_or(0));
    let active = counts.active - i32::try_from(ends).unwrap_or(0);
    let mut status = JobStatus {
        active: Some(active + decision.make()),
        ready: Some(counts.ready.min(active)),
        terminating: Some(counts.terminating),
        succeeded: Some(counts.succeeded),
        failed: Some(counts.failed),
        // A suspended Job's time doesn't run.
        start_time: if *decision == Decision::Suspend { None } else { old.start_time.clone().or(Some(Time(now))) },
        conditions: old.conditions.clone(),
        ..JobStatus::default()
    };
    match decision {
        Decision::Complete => {
            let (reason, message) = ("CompletionsReached", "Reached expected number of succeeded pods");
            set(&mut status, "SuccessCriteriaMet", true, reason, message, now);
            set(&mut status, COMPLETE, true, reason, message, now);
            status.completion_time = Some(Time(now));
        }
        Decision::Fail(reason, message) => {
            set(&mut status, "FailureTarget", true, reason, message, now);
            set(&mut status, FAILED, true, reason, message, now);
        }
        Decision::Suspend => set(&mut status, SUSPENDED, true, "JobSuspended", "Job suspended", now),
        _ if status.conditions.iter().flatten().any(|condition| condition.type_ == SUSPENDED) => {
            set(&mut status, SUSPENDED, false, "JobResumed", "Job resumed", now);
        }
        _ => {}
    }
    status
}

fn set(status: &mut JobStatus, kind: &str, holds: bool, reason: &str, message: &str, now: Timestamp) {
    let holds = if holds { "True" } else { "False" };
    let conditions = status.conditions.get_or_insert_default();
    if conditions.iter().any(|condition| condition.type_ == kind && condition.status == holds) {
        return;
    }
    conditions.retain(|condition| condition.type_ != kind);
    conditions.push(JobCondition {
        type_: kind.to_owned(),
        status: holds.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_probe_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    });
}

#[cfg(test)]
mod tests;
