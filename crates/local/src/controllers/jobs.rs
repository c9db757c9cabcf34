//! Jobs: pods that run until enough of them have ended well.

mod plan;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::plan::{Counts, Decision};
use super::objects::{same_status, unless};
use super::{Config, Error, Outcome, pods};

pub(super) async fn run(config: Arc<Config>, shutdown: CancellationToken) {
    pods::reconcile_owners("jobs", config, shutdown, round).await;
}

async fn round(job: Arc<Job>, config: Arc<Config>) -> Outcome {
    let Some((job, jobs, api)) = pods::current(&*job, &config).await? else { return Ok(Action::await_change()) };
    let Some(spec) = &job.spec else { return Ok(Action::await_change()) };
    if job.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let now = Timestamp::now();
    let status = job.status.clone().unwrap_or_default();
    if let Some(ended) = plan::ended(&status) {
        return after_its_end(&jobs, &job, spec.ttl_seconds_after_finished, ended, now).await;
    }
    let selector = spec.selector.clone().unwrap_or_default();
    let owned = pods::owned(&api, &selector, &job.uid().unwrap_or_default()).await?;
    let counts = Counts::of(&owned);
    let decision = plan::decide(spec, &status, &counts, now);
    let active: Vec<&Pod> = owned.iter().filter(|pod| pods::is_active(pod)).collect();
    for pod in active.iter().take(decision.end(active.len())) {
        pods::end(&api, pod).await?;
    }
    for _ in 0..decision.make() {
        api.create(&PostParams::default(), &pods::of_template(&spec.template, &job)).await?;
    }
    write_status(&jobs, &job, plan::status(&status, &counts, &decision, now)).await?;
    Ok(match decision {
        Decision::Wait(left) => Action::requeue(left),
        _ => plan::time_left(spec, &status, now).map_or_else(Action::await_change, Action::requeue),
    })
}

/// A Job that has ended stays to be looked at, for as long as it says.
async fn after_its_end(jobs: &Api<Job>, job: &Job, keep: Option<i32>, ended: Timestamp, now: Timestamp) -> Outcome {
    let Some(keep) = keep.and_then(|seconds| u64::try_from(seconds).ok()) else { return Ok(Action::await_change()) };
    if let Some(left) = plan::left(ended, keep, now) {
        return Ok(Action::requeue(left));
    }
    let only_it = Preconditions { uid: job.uid(), resource_version: None };
    let params = DeleteParams::background().preconditions(only_it);
    unless(404, jobs.delete(&job.name_any(), &params).await)?;
    Ok(Action::await_change())
}

async fn write_status(jobs: &Api<Job>, job: &Job, status: JobStatus) -> Result<(), Error> {
    if !same_status(&status, &job.status) {
        let mut patch = json!({ "metadata": { "uid": job.uid() }, "status": status });
        if let (None, Some(fields)) = (&status.start_time, patch.pointer_mut("/status").and_then(Value::as_object_mut))
        {
            fields.insert("startTime".to_owned(), Value::Null);
        }
        jobs.patch_status(&job.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
    }
    Ok(())
}
