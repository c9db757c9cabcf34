//! Which ReplicaSet belongs to which version of the template.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::rolling::Limits;
use crate::controllers::objects::{owner, same, short_hash};

pub(super) const ANNOTATION: &str = "deployment.kubernetes.io/revision";
const HASH: &str = "pod-template-hash";
/// Of the deployment itself, not of a version.
const NOT_COPIED: [&str; 5] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    ANNOTATION,
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
];

/// A revision's number; 0 where there is none.
pub(super) fn of(metadata: &ObjectMeta) -> i64 {
    let text = metadata.annotations.as_ref().and_then(|annotations| annotations.get(ANNOTATION));
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The set of the deployment's present template; of several the oldest.
pub(super) fn current<'a>(spec: &DeploymentSpec, sets: &'a [ReplicaSet]) -> Option<&'a ReplicaSet> {
    let wanted = without_hash(spec.template.clone());
    sets.iter().find(|set| {
        let template = set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
        same(&without_hash(template), &wanted)
    })
}

fn without_hash(mut template: PodTemplateSpec) -> PodTemplateSpec {
    if let Some(labels) = template.metadata.as_mut().and_then(|metadata| metadata.labels.as_mut()) {
        labels.remove(HASH);
    }
    template
}

/// The revision that the current set should have: its own if it is the highest, else one more than the others'.
pub(super) fn number(sets: &[ReplicaSet], current: &str) -> i64 {
    let (mine, others): (Vec<_>, Vec<_>) = sets.iter().partition(|set| set.name_any() == current);
    let highest = |sets: &[&ReplicaSet]| sets.iter().map(|set| of(&set.metadata)).max().unwrap_or(0);
    highest(&mine).max(highest(&others).saturating_add(1))
}

/// A set for the present template, without replicas.
pub(super) fn new_set(deployment: &Deployment, spec: &DeploymentSpec, sets: &[ReplicaSet]) -> ReplicaSet {
    let hash = short_hash(&spec.template);
    let mut template = spec.template.clone();
    template.metadata.get_or_insert_default().labels.get_or_insert_default().insert(HASH.into(), hash.clone());
    let mut selector = spec.selector.clone();
    selector.match_labels.get_or_insert_default().insert(HASH.into(), hash.clone());
    let limits = Limits::of(spec);
    let revision = sets.iter().map(|set| of(&set.metadata)).max().unwrap_or(0).saturating_add(1);
    let mut annotations = annotations(deployment, &ObjectMeta::default(), revision);
    annotations.insert("deployment.kubernetes.io/desired-replicas".into(), limits.desired.to_string());
    annotations.insert("deployment.kubernetes.io/max-replicas".into(), limits.most().to_string());
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", deployment.name_any())),
            namespace: deployment.namespace(),
            labels: template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()),
            annotations: Some(annotations),
            owner_references: owner(deployment),
            ..ObjectMeta::default()
        },
        spec: Some(ReplicaSetSpec {
            min_ready_seconds: spec.min_ready_seconds,
            replicas: Some(0),
            selector,
            template: Some(template),
        }),
        status: None,
    }
}

/// What the present set's annotations lack: the deployment's own (`kubernetes.io/change-cause`, which may come only after
/// the set, is what `kubectl rollout history` shows) and the revision.
pub(super) fn annotations(deployment: &Deployment, set: &ObjectMeta, revision: i64) -> BTreeMap<String, String> {
    let mut wanted = deployment.metadata.annotations.clone().unwrap_or_default();
    wanted.retain(|name, _| !NOT_COPIED.contains(&name.as_str()));
    wanted.insert(ANNOTATION.into(), revision.to_string());
    let has = |name: &String, value: &String| set.annotations.as_ref().and_then(|have| have.get(name)) == Some(value);
    wanted.retain(|name, value| !has(name, value));
    wanted
}

/// The empty sets beyond `revisionHistoryLimit`, oldest revision first.
pub(super) fn superfluous(spec: &DeploymentSpec, sets: &[ReplicaSet], current: Option<&str>) -> Vec<String> {
    let keep = usize::try_from(spec.revision_history_limit.unwrap_or(10)).unwrap_or(usize::MAX);
    let is_empty = |set: &ReplicaSet| {
        set.spec.as_ref().and_then(|spec| spec.replicas) == Some(0)
            && set.status.as_ref().is_none_or(|status| status.replicas == 0)
    };
    let mut old: Vec<&ReplicaSet> = sets.iter().filter(|set| Some(set.name_any().as_str()) != current).collect();
    let count = old.len().saturating_sub(keep);
    old.sort_by_key(|set| of(&set.metadata));
    old.into_iter().take(count).filter(|set| is_empty(set)).map(ResourceExt::name_any).collect()
}

#[cfg(test)]
mod tests;
