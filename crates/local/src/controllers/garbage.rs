//! Garbage collection: what belongs to an owner goes with it.
//!
//! Metadata of all kinds that can be listed, watched and deleted are kept as a graph of owners and dependents. An owner that is not in
//! the graph is asked for before anything is deleted, since its watch may be behind; an owner of a kind that isn't known is taken to be
//! there.

mod graph;
mod kinds;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::try_join_all;
use kube::api::{DeleteParams, DynamicObject, PartialObjectMeta, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::Error;
use super::objects::unless;
use graph::{Decision, Graph, Node, Object, Owner};
use kinds::{Change, Kinds};

/// Kinds come and go without anybody telling, too.
const REDISCOVER: Duration = Duration::from_secs(30);
/// A definition takes a moment to be served.
const AFTER_DEFINITION: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_millis(500);

pub(super) async fn run(client: Client) {
    let mut collector = Collector { client: client.clone(), graph: Graph::default(), dirty: BTreeSet::new() };
    let mut kinds = Kinds::new(client);
    let mut discovery = Instant::now();
    let mut retry = None;
    loop {
        let retry_at = retry.unwrap_or_else(|| discovery.max(Instant::now() + REDISCOVER));
        tokio::select! {
            biased;
            Some((kind, change)) = kinds.next() => {
                if collector.take(&kinds, kind, change) {
                    discovery = discovery.min(Instant::now() + AFTER_DEFINITION);
                }
            }
            () = tokio::time::sleep_until(discovery) => {
                discovery = Instant::now() + REDISCOVER;
                match kinds.discover().await {
                    Ok(gone) => gone.into_iter().for_each(|kind| collector.forget(kind)),
                    Err(error) => {
                        tracing::debug!(%error, "kinds can't be discovered yet");
                        discovery = Instant::now() + RETRY;
                    }
                }
            }
            () = tokio::time::sleep_until(retry_at), if retry.is_some() => retry = None,
        }
        if retry.is_none() && !collector.work(&kinds).await {
            retry = Some(Instant::now() + RETRY);
        }
    }
}

struct Collector {
    client: Client,
    graph: Graph,
    /// Objects to decide about.
    dirty: BTreeSet<String>,
}

impl Collector {
    /// Brings a change into the graph; says whether it may have brought or taken kinds.
    fn take(&mut self, kinds: &Kinds, kind: usize, change: Change) -> bool {
        match change {
            Change::Put(object) => {
                if let Some(node) = node(kind, &object) {
                    self.dirty.extend(self.graph.put(object.uid().unwrap_or_default(), node));
                }
            }
            Change::Gone(uid) => self.dirty.extend(self.graph.remove(&uid)),
            Change::Only(uids) => {
                let gone = self.graph.of_kind(kind).into_iter().filter(|uid| !uids.contains(uid));
                for uid in gone.collect::<Vec<_>>() {
                    self.dirty.extend(self.graph.remove(&uid));
                }
            }
        }
        kinds.defines_kinds(kind)
    }

    fn forget(&mut self, kind: usize) {
        for uid in self.graph.of_kind(kind) {
            self.dirty.extend(self.graph.remove(&uid));
        }
    }

    /// Decides about all objects that need it; false when some have to be tried again.
    async fn work(&mut self, kinds: &Kinds) -> bool {
        let mut failed = Vec::new();
        while let Some(uid) = self.dirty.pop_first() {
            if let Err(error) = self.decide(kinds, &uid).await {
                tracing::debug!(%error, uid, "an object could not be collected yet");
                failed.push(uid);
            }
        }
        self.dirty.extend(failed);
        self.dirty.is_empty()
    }

    async fn decide(&mut self, kinds: &Kinds, uid: &str) -> Result<(), Error> {
        let Some(object) = self.graph.object(uid).cloned() else { return Ok(()) };
        match self.graph.decide(uid) {
            Decision::Keep => {}
            Decision::Look(dependents) => self.dirty.extend(dependents),
            Decision::Release(finalizer) => self.release(kinds, &object, uid, finalizer).await?,
            Decision::Orphan(dependents) => {
                for dependent in dependents {
                    if let Some(of) = self.graph.object(&dependent).cloned() {
                        self.disown(kinds, &of, &dependent, &[uid.to_owned()]).await?;
                    }
                }
                self.release(kinds, &object, uid, graph::ORPHAN).await?;
            }
            Decision::Disown(owners) => self.disown(kinds, &object, uid, &owners).await?,
            Decision::Delete { absent, policy } => {
                let there = absent.iter().map(|owner| self.is_there(kinds, &object, owner));
                if !try_join_all(there).await?.contains(&true) {
                    self.delete(kinds, &object, uid, policy).await?;
                }
            }
        }
        Ok(())
    }

    fn api(&self, kinds: &Kinds, object: &Object) -> Option<Api<PartialObjectMeta<DynamicObject>>> {
        let kind = kinds.get(object.kind)?;
        Some(match &object.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, kind),
            None => Api::all_with(self.client.clone(), kind),
        })
    }

    /// Whether an owner that the graph doesn't have exists all the same, or may.
    async fn is_there(&self, kinds: &Kinds, dependent: &Object, owner: &Owner) -> Result<bool, Error> {
        let Some((kind, namespaced)) = kinds.find(&owner.api_version, &owner.kind) else { return Ok(true) };
        let namespace = dependent.namespace.clone().filter(|_| namespaced);
        if namespaced && namespace.is_none() {
            // Owners of objects outside of namespaces can't be in one; nobody knows which is meant.
            return Ok(true);
        }
        let at = Object { kind, namespace, name: owner.name.clone() };
        let Some(api) = self.api(kinds, &at) else { return Ok(true) };
        let found = unless(404, api.get(&owner.name).await)?;
        Ok(found.is_some_and(|found| found.uid().as_deref() == Some(owner.uid.as_str())))
    }

    async fn delete(&self, kinds: &Kinds, object: &Object, uid: &str, policy: PropagationPolicy) -> Result<(), Error> {
        let Some(api) = self.api(kinds, object) else { return Ok(()) };
        let only_it = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        tracing::debug!(%object, "collecting an object whose owners have gone");
        let deleted = unless(404, api.delete(&object.name, &params.preconditions(only_it)).await);
        // 409: another object has taken the name.
        unless(409, deleted)?;
        Ok(())
    }

    async fn release(&self, kinds: &Kinds, object: &Object, uid: &str, finalizer: &str) -> Result<(), Error> {
        let Some(api) = self.api(kinds, object) else { return Ok(()) };
        let Some(found) = self.fresh(&api, object, uid).await? else { return Ok(()) };
        let rest: Vec<_> = found.finalizers().iter().filter(|name| *name != finalizer).collect();
        let patch =
            json!({ "metadata": { "resourceVersion": found.resource_version(), "finalizers": unless_empty(&rest) } });
        unless(404, api.patch_metadata(&object.name, &PatchParams::default(), &Patch::Merge(patch)).await)?;
        Ok(())
    }

    /// Takes owners out of an object.
    async fn disown(&self, kinds: &Kinds, object: &Object, uid: &str, owners: &[String]) -> Result<(), Error> {
        let Some(api) = self.api(kinds, object) else { return Ok(()) };
        let Some(found) = self.fresh(&api, object, uid).await? else { return Ok(()) };
        let rest: Vec<_> = found.owner_references().iter().filter(|owner| !owners.contains(&owner.uid)).collect();
        let patch = json!({ "metadata": { "resourceVersion": found.resource_version(), "ownerReferences": unless_empty(&rest) } });
        unless(404, api.patch_metadata(&object.name, &PatchParams::default(), &Patch::Merge(patch)).await)?;
        Ok(())
    }

    async fn fresh(
        &self,
        api: &Api<PartialObjectMeta<DynamicObject>>,
        object: &Object,
        uid: &str,
    ) -> Result<Option<PartialObjectMeta<DynamicObject>>, Error> {
        let found = unless(404, api.get(&object.name).await)?;
        Ok(found.filter(|found| found.uid().as_deref() == Some(uid)))
    }
}

/// A list for a merge patch: an empty one is taken away.
fn unless_empty<T: Serialize>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

fn node(kind: usize, object: &PartialObjectMeta<DynamicObject>) -> Option<Node> {
    let metadata = &object.metadata;
    let owners = metadata.owner_references.iter().flatten().map(|owner| Owner {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        blocks: owner.block_owner_deletion == Some(true),
    });
    Some(Node {
        object: Object { kind, namespace: metadata.namespace.clone(), name: metadata.name.clone()? },
        owners: owners.collect(),
        deleting: metadata.deletion_timestamp.is_some(),
        finalizers: metadata.finalizers.clone().unwrap_or_default(),
    })
}
