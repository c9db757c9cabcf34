//! ReplicaSets: as many pods as asked.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::objects::{is_controlled_by, list, query, same, unless};
use super::{Config, Error, Outcome, reconcile};

/// Pods made in one round; the rest follow in the next.
const BATCH: usize = 50;

pub(super) async fn run(config: Arc<Config>, shutdown: CancellationToken) {
    let client = &config.client;
    let controller = Controller::new(Api::<ReplicaSet>::all(client.clone()), watcher::Config::default())
        .owns(Api::<Pod>::all(client.clone()), watcher::Config::default());
    reconcile("replicasets", controller, config, shutdown, round).await;
}

async fn round(set: Arc<ReplicaSet>, config: Arc<Config>) -> Outcome {
    let (namespace, name) = (set.namespace().unwrap_or_default(), set.name_any());
    let sets: Api<ReplicaSet> = Api::namespaced(config.client.clone(), &namespace);
    // The watch may be behind what the last round wrote.
    let Some(set) = sets.get_opt(&name).await?.filter(|now| now.uid() == set.uid()) else {
        return Ok(Action::await_change());
    };
    let Some(spec) = &set.spec else { return Ok(Action::await_change()) };
    let pods: Api<Pod> = Api::namespaced(config.client.clone(), &namespace);
    let uid = set.uid().unwrap_or_default();
    let mut owned = list(&pods, query(&spec.selector)?).await?;
    owned.retain(|pod| is_controlled_by(&pod.metadata, &uid) && plan::is_active(pod));
    let mut failure = None;
    if set.metadata.deletion_timestamp.is_none() {
        let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
        let missing = wanted.saturating_sub(owned.len());
        for _ in 0..missing.min(BATCH) {
            match pods.create(&PostParams::default(), &plan::new_pod(&set)).await {
                Ok(pod) => owned.push(pod),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let surplus = owned.len().saturating_sub(wanted);
        for pod in plan::least_useful(&owned, surplus) {
            let only_it = Preconditions { uid: pod.uid(), resource_version: None };
            let params = DeleteParams::background().preconditions(only_it);
            unless(404, pods.delete(&pod.name_any(), &params).await)?;
        }
    }
    let now = Timestamp::now();
    let counts = plan::count(&set, &owned, now);
    write_status(&sets, &set, &counts, failure.as_ref().map(ToString::to_string), now).await?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    let soon = counts.next_available.map_or_else(Action::await_change, Action::requeue);
    Ok(if counts.replicas_missing(spec) { Action::requeue(Duration::from_millis(10)) } else { soon })
}

async fn write_status(
    sets: &Api<ReplicaSet>,
    set: &ReplicaSet,
    counts: &plan::Counts,
    failure: Option<String>,
    now: Timestamp,
) -> Result<(), Error> {
    let old = set.status.clone().unwrap_or_default();
    let status = ReplicaSetStatus {
        available_replicas: Some(counts.available),
        conditions: Some(conditions(old.conditions.clone().unwrap_or_default(), failure, now)),
        fully_labeled_replicas: Some(counts.fully_labeled),
        observed_generation: set.metadata.generation,
        ready_replicas: Some(counts.ready),
        replicas: counts.replicas,
        ..ReplicaSetStatus::default()
    };
    // Zero and absent are the same here.
    if plan::zeros(&status, &old) && same(&status.conditions, &old.conditions) {
        return Ok(());
    }
    let patch = json!({ "metadata": { "uid": set.uid() }, "status": status });
    sets.patch_status(&set.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

fn conditions(
    mut conditions: Vec<ReplicaSetCondition>,
    failure: Option<String>,
    now: Timestamp,
) -> Vec<ReplicaSetCondition> {
    const FAILURE: &str = "ReplicaFailure";
    let known = conditions.iter().any(|condition| condition.type_ == FAILURE);
    match failure {
        None => conditions.retain(|condition| condition.type_ != FAILURE),
        Some(_) if known => {}
        Some(why) => conditions.push(ReplicaSetCondition {
            type_: FAILURE.into(),
            status: "True".into(),
            reason: Some("FailedCreate".into()),
            message: Some(why),
            last_transition_time: Some(Time(now)),
        }),
    }
    conditions
}

#[cfg(test)]
mod tests;
