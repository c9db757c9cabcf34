//! DaemonSets: a pod on each node, of which there is one.

mod plan;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::plan::Step;
use super::objects::{same_status, short_hash};
use super::pods::{self, REVISION, Readiness};
use super::{Config, Outcome};

pub(super) async fn run(config: Arc<Config>, shutdown: CancellationToken) {
    pods::reconcile_owners("daemonsets", config, shutdown, round).await;
}

async fn round(set: Arc<DaemonSet>, config: Arc<Config>) -> Outcome {
    let Some((set, sets, api)) = pods::current(&*set, &config).await? else { return Ok(Action::await_change()) };
    let Some(spec) = &set.spec else { return Ok(Action::await_change()) };
    let owned = pods::owned(&api, &spec.selector, &set.uid().unwrap_or_default()).await?;
    let revision = short_hash(&spec.template);
    if set.metadata.deletion_timestamp.is_none() {
        match plan::next(&owned, &revision, plan::rolls(spec)) {
            Step::Make => {
                let mut pod = pods::of_template(&spec.template, &set);
                pod.labels_mut().insert(REVISION.to_owned(), revision.clone());
                api.create(&PostParams::default(), &pod).await?;
            }
            Step::End(pod) => pods::end(&api, pod).await?,
            Step::Rest => {}
        }
    }
    let (status, soon) = status(&set, spec, &owned, &revision);
    if !same_status(&status, &set.status) {
        let patch = json!({ "metadata": { "uid": set.uid() }, "status": status });
        sets.patch_status(&set.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
    }
    Ok(soon)
}

/// What its status says, and when that changes by itself.
fn status(set: &DaemonSet, spec: &DaemonSetSpec, owned: &[Pod], revision: &str) -> (DaemonSetStatus, Action) {
    let active = owned.iter().find(|pod| pods::is_active(pod));
    let readiness = active.map(|pod| pods::readiness(pod, spec.min_ready_seconds, Timestamp::now()));
    let ready = readiness.is_some_and(|readiness| readiness != Readiness::Not);
    let available = readiness == Some(Readiness::Available);
    let status = DaemonSetStatus {
        current_number_scheduled: i32::from(active.is_some()),
        desired_number_scheduled: 1,
        number_ready: i32::from(ready),
        number_available: Some(i32::from(available)),
        number_unavailable: Some(i32::from(!available)),
        updated_number_scheduled: Some(i32::from(active.is_some_and(|pod| pods::is_of(pod, revision)))),
        observed_generation: set.metadata.generation,
        ..DaemonSetStatus::default()
    };
    let soon = match readiness {
        Some(Readiness::For(left)) => Action::requeue(left),
        _ => Action::await_change(),
    };
    (status, soon)
}
