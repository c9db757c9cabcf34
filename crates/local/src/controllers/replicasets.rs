//! ReplicaSets and ReplicationControllers: as many pods as asked.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus};
use k8s_openapi::api::core::v1::ReplicationController;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::objects::same_status;
use super::{Config, Error, Outcome, pods};

pub(super) async fn run(config: Arc<Config>, shutdown: CancellationToken) {
    tokio::join!(
        pods::reconcile_owners("replicasets", config.clone(), shutdown.clone(), round::<ReplicaSet>),
        pods::reconcile_owners("replicationcontrollers", config, shutdown, round::<ReplicationController>),
    );
}

/// What asks for a number of pods.
trait Replicated:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + DeserializeOwned
{
    /// The same as a ReplicaSet says it.
    fn to_set(&self) -> ReplicaSet;
}

impl Replicated for ReplicaSet {
    fn to_set(&self) -> ReplicaSet {
        self.clone()
    }
}

impl Replicated for ReplicationController {
    fn to_set(&self) -> ReplicaSet {
        let spec = self.spec.clone().unwrap_or_default();
        let status = self.status.clone().unwrap_or_default();
        let conditions = status.conditions.into_iter().flatten().map(|condition| ReplicaSetCondition {
            last_transition_time: condition.last_transition_time,
            message: condition.message,
            reason: condition.reason,
            status: condition.status,
            type_: condition.type_,
        });
        ReplicaSet {
            metadata: self.metadata.clone(),
            spec: Some(ReplicaSetSpec {
                min_ready_seconds: spec.min_ready_seconds,
                replicas: spec.replicas,
                selector: LabelSelector { match_labels: spec.selector, match_expressions: None },
                template: spec.template,
            }),
            status: Some(ReplicaSetStatus {
                available_replicas: status.available_replicas,
                conditions: Some(conditions.collect()),
                fully_labeled_replicas: status.fully_labeled_replicas,
                observed_generation: status.observed_generation,
                ready_replicas: status.ready_replicas,
                replicas: status.replicas,
                ..ReplicaSetStatus::default()
            }),
        }
    }
}

async fn round<K: Replicated>(object: Arc<K>, config: Arc<Config>) -> Outcome {
    let Some((object, objects, api)) = pods::current(&*object, &config).await? else {
        return Ok(Action::await_change());
    };
    let set = object.to_set();
    let Some(spec) = &set.spec else { return Ok(Action::await_change()) };
    let mut owned = pods::owned(&api, &spec.selector, &set.uid().unwrap_or_default()).await?;
    owned.retain(pods::is_active);
    let mut failure = None;
    if set.metadata.deletion_timestamp.is_none() {
        let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
        let template = spec.template.clone().unwrap_or_default();
        let missing = wanted.saturating_sub(owned.len());
        for _ in 0..missing.min(pods::BATCH) {
            match api.create(&PostParams::default(), &pods::of_template(&template, &object)).await {
                Ok(pod) => owned.push(pod),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let surplus = owned.len().saturating_sub(wanted);
        for pod in plan::least_useful(&owned, surplus) {
            pods::end(&api, pod).await?;
        }
    }
    let now = Timestamp::now();
    let counts = plan::count(&set, &owned, now);
    write_status(&objects, &set, &counts, failure.as_ref().map(ToString::to_string), now).await?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    let soon = counts.next_available.map_or_else(Action::await_change, Action::requeue);
    Ok(if counts.replicas_missing(spec) { Action::requeue(Duration::from_millis(10)) } else { soon })
}

async fn write_status<K: Replicated>(
    objects: &Api<K>,
    set: &ReplicaSet,
    counts: &plan::Counts,
    failure: Option<String>,
    now: Timestamp,
) -> Result<(), Error> {
    let old = set.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    let status = ReplicaSetStatus {
        available_replicas: Some(counts.available),
        conditions: Some(conditions(old, failure, now)),
        fully_labeled_replicas: Some(counts.fully_labeled),
        observed_generation: set.metadata.generation,
        ready_replicas: Some(counts.ready),
        replicas: counts.replicas,
        ..ReplicaSetStatus::default()
    };
    if same_status(&status, &set.status) {
        return Ok(());
    }
    let patch = json!({ "metadata": { "uid": set.uid() }, "status": status });
    objects.patch_status(&set.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
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
