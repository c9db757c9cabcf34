//! Deployments: a ReplicaSet per version of the template, and the way from one to the next.

mod revision;
mod rolling;
mod status;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::objects::{is_controlled_by, is_terminal, list, query, unless};
use super::{Config, Error, Outcome, reconcile};
use rolling::{Limits, Set};

/// How soon to look again whether the last old pods have ended, for `Recreate`.
const NEXT_LOOK: Duration = Duration::from_millis(200);

pub(super) async fn run(config: Arc<Config>, shutdown: CancellationToken) {
    let client = &config.client;
    let controller = Controller::new(Api::<Deployment>::all(client.clone()), watcher::Config::default())
        .owns(Api::<ReplicaSet>::all(client.clone()), watcher::Config::default());
    reconcile("deployments", controller, config, shutdown, round).await;
}

/// One deployment, with what a round needs beside it.
struct Round {
    deployment: Deployment,
    spec: DeploymentSpec,
    sets: Api<ReplicaSet>,
    deployments: Api<Deployment>,
    pods: Api<Pod>,
}

async fn round(deployment: Arc<Deployment>, config: Arc<Config>) -> Outcome {
    let (namespace, name) = (deployment.namespace().unwrap_or_default(), deployment.name_any());
    let deployments: Api<Deployment> = Api::namespaced(config.client.clone(), &namespace);
    // The watch may be behind what the last round wrote.
    let Some(deployment) = deployments.get_opt(&name).await?.filter(|now| now.uid() == deployment.uid()) else {
        return Ok(Action::await_change());
    };
    let Some(spec) = deployment.spec.clone() else { return Ok(Action::await_change()) };
    let round = Round::new(&config.client, &namespace, deployments, deployment, spec);
    if round.deployment.metadata.deletion_timestamp.is_some() {
        let sets = round.owned().await?;
        return round.report(&sets).await;
    }
    round.run().await
}

impl Round {
    fn new(
        client: &Client,
        namespace: &str,
        deployments: Api<Deployment>,
        deployment: Deployment,
        spec: DeploymentSpec,
    ) -> Self {
        let sets = Api::namespaced(client.clone(), namespace);
        Round { deployment, spec, sets, deployments, pods: Api::namespaced(client.clone(), namespace) }
    }

    async fn run(&self) -> Outcome {
        let mut sets = self.owned().await?;
        let current = revision::current(&self.spec, &sets).map(ResourceExt::name_any);
        let paused = self.spec.paused == Some(true);
        let current = match current {
            Some(name) => Some(name),
            None if paused => None,
            None => {
                let set = self.create(&sets).await?;
                let name = set.name_any();
                sets.push(set);
                Some(name)
            }
        };
        self.number(&mut sets, current.as_deref()).await?;
        let limits = Limits::of(&self.spec);
        let state: Vec<Set> = sets.iter().map(|set| Set::of(set, current.as_deref())).collect();
        let mut wait = None;
        let wanted = if paused {
            rolling::scale_only(&state, &limits)
        } else if self.is_recreate() {
            let old_are_gone = self.old_are_gone(&sets, current.as_deref()).await?;
            wait = (!old_are_gone).then_some(NEXT_LOOK);
            rolling::recreate(&state, &limits, old_are_gone)
        } else {
            rolling::step(&state, &limits)
        };
        for (set, wanted) in sets.iter_mut().zip(wanted) {
            self.scale(set, wanted, &limits).await?;
        }
        if !paused {
            self.clean_up(&mut sets, current.as_deref()).await?;
        }
        let next = self.report(&sets).await?;
        Ok(wait.map_or(next, Action::requeue))
    }

    /// The deployment's sets, oldest first.
    async fn owned(&self) -> Result<Vec<ReplicaSet>, Error> {
        let uid = self.deployment.uid().unwrap_or_default();
        let mut sets = list(&self.sets, query(&self.spec.selector)?).await?;
        sets.retain(|set| is_controlled_by(&set.metadata, &uid) && set.metadata.deletion_timestamp.is_none());
        sets.sort_by_key(|set| (set.metadata.creation_timestamp.as_ref().map(|time| time.0), set.name_any()));
        Ok(sets)
    }

    async fn create(&self, sets: &[ReplicaSet]) -> Result<ReplicaSet, Error> {
        let set = revision::new_set(&self.deployment, &self.spec, sets);
        match unless(409, self.sets.create(&PostParams::default(), &set).await)? {
            Some(set) => Ok(set),
            // The last round made it, or somebody else has taken the name.
            None => Ok(self.sets.get(&set.name_any()).await.map_err(Error::from).and_then(|found| {
                let uid = self.deployment.uid().unwrap_or_default();
                let name = found.name_any();
                let ours = is_controlled_by(&found.metadata, &uid).then_some(found);
                ours.ok_or_else(|| Error::InvalidObject(format!("the ReplicaSet {name} belongs to somebody else")))
            })?),
        }
    }

    /// Gives the current set the deployment's annotations and the highest revision, and the deployment the same.
    async fn number(&self, sets: &mut [ReplicaSet], current: Option<&str>) -> Result<(), Error> {
        let Some(name) = current else { return Ok(()) };
        let wanted = revision::number(sets, name);
        for set in sets.iter_mut().filter(|set| set.name_any() == name) {
            let lacking = revision::annotations(&self.deployment, &set.metadata, wanted);
            if !lacking.is_empty() {
                let patch = json!({ "metadata": { "annotations": lacking } });
                *set = self.sets.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
            }
        }
        if revision::of(&self.deployment.metadata) != wanted {
            let patch = json!({ "metadata": { "annotations": { revision::ANNOTATION: wanted.to_string() } } });
            self.deployments.patch(&self.deployment.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
        }
        Ok(())
    }

    async fn scale(&self, set: &mut ReplicaSet, wanted: i32, limits: &Limits) -> Result<(), Error> {
        if set.spec.as_ref().and_then(|spec| spec.replicas) == Some(wanted) {
            return Ok(());
        }
        let patch = json!({
            "metadata": { "resourceVersion": set.resource_version(), "annotations": {
                "deployment.kubernetes.io/desired-replicas": limits.desired.to_string(),
                "deployment.kubernetes.io/max-replicas": limits.most().to_string(),
            } },
            "spec": { "replicas": wanted },
        });
        *set = self.sets.patch(&set.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    fn is_recreate(&self) -> bool {
        self.spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate")
    }

    /// Whether no pod of an older template is left.
    async fn old_are_gone(&self, sets: &[ReplicaSet], current: Option<&str>) -> Result<bool, Error> {
        let pods = list(&self.pods, query(&self.spec.selector)?).await?;
        let old = sets.iter().filter(|set| Some(set.name_any().as_str()) != current).filter_map(ResourceExt::uid);
        let old: Vec<String> = old.collect();
        Ok(!pods.iter().any(|pod| !is_terminal(pod) && old.iter().any(|uid| is_controlled_by(&pod.metadata, uid))))
    }

    /// Deletes the oldest of the empty sets beyond `revisionHistoryLimit`.
    async fn clean_up(&self, sets: &mut Vec<ReplicaSet>, current: Option<&str>) -> Result<(), Error> {
        for name in revision::superfluous(&self.spec, sets, current) {
            unless(404, self.sets.delete(&name, &DeleteParams::background()).await)?;
            sets.retain(|set| set.name_any() != name);
        }
        Ok(())
    }

    /// Writes the status, and says when its deadline is.
    async fn report(&self, sets: &[ReplicaSet]) -> Outcome {
        let current = revision::current(&self.spec, sets);
        let now = Timestamp::now();
        let next = status::compute(&self.deployment, &self.spec, sets, current, now);
        if !status::same(&next, self.deployment.status.as_ref()) {
            let patch = json!({ "status": next });
            let name = self.deployment.name_any();
            self.deployments.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        }
        Ok(status::deadline(&self.spec, &next, now).map_or_else(Action::await_change, Action::requeue))
    }
}
