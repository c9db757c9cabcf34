//! Pods as the controllers that make them see them.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{DeleteParams, ObjectMeta, Preconditions};
use kube::runtime::{Controller, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::objects::{is_controlled_by, is_terminal, list, owner, query, ready, unless};
use super::{Config, Error, Outcome, reconcile};

/// Most pods that are made in one round; the rest follow in the next.
pub(super) const BATCH: usize = 50;
/// Which version of its owner's template a pod is of.
pub(super) const REVISION: &str = "controller-revision-hash";

/// Runs the controller of a kind that makes pods.
pub(super) async fn reconcile_owners<K, F>(
    name: &'static str,
    config: Arc<Config>,
    shutdown: CancellationToken,
    round: impl Fn(Arc<K>, Arc<Config>) -> F,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    let client = &config.client;
    let controller = Controller::new(Api::<K>::all(client.clone()), watcher::Config::default())
        .owns(Api::<Pod>::all(client.clone()), watcher::Config::default());
    reconcile(name, controller, config, shutdown, round).await;
}

/// The object as it is by now, for the watch may be behind what the last round wrote, with its kind's and its pods' API. None: it has
/// gone.
pub(super) async fn current<K>(object: &K, config: &Config) -> Result<Option<(K, Api<K>, Api<Pod>)>, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let namespace = object.namespace().unwrap_or_default();
    let objects: Api<K> = Api::namespaced(config.client.clone(), &namespace);
    let now = objects.get_opt(&object.name_any()).await?.filter(|now| now.uid() == object.uid());
    Ok(now.map(|now| (now, objects, Api::namespaced(config.client.clone(), &namespace))))
}

/// The pods of an owner, those that end or have ended too.
pub(super) async fn owned(pods: &Api<Pod>, selector: &LabelSelector, uid: &str) -> Result<Vec<Pod>, Error> {
    let mut owned = list(pods, query(selector)?).await?;
    owned.retain(|pod| is_controlled_by(&pod.metadata, uid));
    Ok(owned)
}

/// A pod of a template, whose name the server completes.
pub(super) fn of_template<K: Resource<DynamicType = ()>>(template: &PodTemplateSpec, made_by: &K) -> Pod {
    let meta = template.metadata.clone().unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", made_by.name_any())),
            namespace: made_by.namespace(),
            labels: meta.labels,
            annotations: meta.annotations,
            finalizers: meta.finalizers,
            owner_references: owner(made_by),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// Ends a pod, and no other of its name.
pub(super) async fn end(pods: &Api<Pod>, pod: &Pod) -> Result<(), Error> {
    let only_it = Preconditions { uid: pod.uid(), resource_version: None };
    let params = DeleteParams::background().preconditions(only_it);
    unless(404, pods.delete(&pod.name_any(), &params).await)?;
    Ok(())
}

/// Whether a pod runs, or will.
pub(super) fn is_active(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none() && !is_terminal(pod)
}

pub(super) fn is_of(pod: &Pod, revision: &str) -> bool {
    pod.labels().get(REVISION).is_some_and(|of| of == revision)
}

/// Whether it may be counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Not,
    /// Ready, and available once it has been so for this much longer.
    For(Duration),
    Available,
}

pub(super) fn readiness(pod: &Pod, min_ready_seconds: Option<i32>, now: Timestamp) -> Readiness {
    let Some(condition) = ready(pod) else { return Readiness::Not };
    let since = condition.last_transition_time.as_ref().map_or(now, |time| time.0);
    let left = i64::from(min_ready_seconds.unwrap_or(0)).saturating_sub(now.duration_since(since).as_secs());
    match u64::try_from(left) {
        Ok(left @ 1..) => Readiness::For(Duration::from_secs(left)),
        _ => Readiness::Available,
    }
}
