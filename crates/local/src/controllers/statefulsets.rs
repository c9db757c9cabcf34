//! StatefulSets: numbered pods that keep their names, made one after the other. Without disks, and without earlier templates.

mod plan;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::plan::{Plan, Step};
use super::objects::{same_status, short_hash, unless};
use super::pods::{self, REVISION, Readiness};
use super::{Config, Outcome};

pub(super) async fn run(config: Arc<Config>, shutdown: CancellationToken) {
    pods::reconcile_owners("statefulsets", config, shutdown, round).await;
}

async fn round(set: Arc<StatefulSet>, config: Arc<Config>) -> Outcome {
    let Some((set, sets, api)) = pods::current(&*set, &config).await? else { return Ok(Action::await_change()) };
    let Some(spec) = &set.spec else { return Ok(Action::await_change()) };
    let name = set.name_any();
    let owned = pods::owned(&api, &spec.selector, &set.uid().unwrap_or_default()).await?;
    let revision = format!("{name}-{}", short_hash(&spec.template));
    let now = Timestamp::now();
    if set.metadata.deletion_timestamp.is_none() {
        let plan = Plan::of(&name, spec, &revision);
        for step in plan.steps(&owned, |pod| pods::readiness(pod, spec.min_ready_seconds, now)) {
            match step {
                // Taken: the one of that name that isn't this set's has to go first.
                Step::Make(ordinal) => {
                    unless(409, api.create(&PostParams::default(), &pod(&set, spec, &revision, ordinal)).await)?;
                }
                Step::End(pod) => pods::end(&api, pod).await?,
            }
        }
    }
    let (status, soon) = status(&set, spec, &owned, &revision, now);
    if !same_status(&status, &set.status) {
        let patch = json!({ "metadata": { "uid": set.uid() }, "status": status });
        sets.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    }
    Ok(soon)
}

/// The pod of a number: its name, its host name below the set's Service, and the labels that tell it from the others.
fn pod(set: &StatefulSet, spec: &StatefulSetSpec, revision: &str, ordinal: i32) -> Pod {
    let name = format!("{}-{ordinal}", set.name_any());
    let mut pod = pods::of_template(&spec.template, set);
    pod.metadata.generate_name = None;
    pod.metadata.name = Some(name.clone());
    pod.labels_mut().extend([
        (REVISION.to_owned(), revision.to_owned()),
        ("statefulset.kubernetes.io/pod-name".to_owned(), name.clone()),
        ("apps.kubernetes.io/pod-index".to_owned(), ordinal.to_string()),
    ]);
    if let Some(of_pod) = &mut pod.spec {
        of_pod.hostname = Some(name);
        of_pod.subdomain = spec.service_name.clone().filter(|service| !service.is_empty());
    }
    pod
}

/// What its status says, and when that changes by itself.
fn status(
    set: &StatefulSet,
    spec: &StatefulSetSpec,
    owned: &[Pod],
    revision: &str,
    now: Timestamp,
) -> (StatefulSetStatus, Action) {
    let replicas = spec.replicas.unwrap_or(1);
    let active: Vec<&Pod> = owned.iter().filter(|pod| pods::is_active(pod)).collect();
    let readiness: Vec<Readiness> =
        active.iter().map(|pod| pods::readiness(pod, spec.min_ready_seconds, now)).collect();
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let ready = number(readiness.iter().filter(|readiness| **readiness != Readiness::Not).count());
    let of = |revision: &str| number(active.iter().filter(|pod| pods::is_of(pod, revision)).count());
    let before = set.status.as_ref().and_then(|status| status.current_revision.clone()).filter(|text| !text.is_empty());
    let updated = of(revision);
    // An update has ended when all pods are of it, and ready.
    let done = updated == replicas && ready == replicas && active.len() == owned.len();
    let current = before.filter(|_| !done).unwrap_or_else(|| revision.to_owned());
    let status = StatefulSetStatus {
        available_replicas: Some(number(readiness.iter().filter(|r| **r == Readiness::Available).count())),
        current_replicas: Some(of(&current)),
        current_revision: Some(current),
        observed_generation: set.metadata.generation,
        ready_replicas: Some(ready),
        replicas: number(active.len()),
        update_revision: Some(revision.to_owned()),
        updated_replicas: Some(updated),
        ..StatefulSetStatus::default()
    };
    let soonest = readiness.iter().filter_map(|readiness| match readiness {
        Readiness::For(left) => Some(*left),
        _ => None,
    });
    (status, soonest.min().map_or_else(Action::await_change, Action::requeue))
}

#[cfg(test)]
mod tests;
