//! All kinds of the cluster, and their objects' metadata as they change.

use std::collections::HashSet;

use futures::StreamExt;
use kube::api::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Changes that wait for the collector before watches wait.
const QUEUE: usize = 1000;

/// A change of a kind's objects.
pub(super) enum Change {
    Put(Box<PartialObjectMeta<DynamicObject>>),
    /// By UID.
    Gone(String),
    /// These and no others are there.
    Only(HashSet<String>),
}

struct Kind {
    resource: ApiResource,
    namespaced: bool,
    /// None: the kind has gone; its place stays, since indices do.
    watch: Option<AbortHandle>,
}

pub(super) struct Kinds {
    client: Client,
    kinds: Vec<Kind>,
    changes: mpsc::Receiver<(usize, Change)>,
    sender: mpsc::Sender<(usize, Change)>,
}

impl Drop for Kinds {
    fn drop(&mut self) {
        self.kinds.iter().filter_map(|kind| kind.watch.as_ref()).for_each(AbortHandle::abort);
    }
}

impl Kinds {
    pub(super) fn new(client: Client) -> Self {
        let (sender, changes) = mpsc::channel(QUEUE);
        Kinds { client, kinds: Vec::new(), changes, sender }
    }

    pub(super) fn get(&self, kind: usize) -> Option<&ApiResource> {
        self.kinds.get(kind).map(|kind| &kind.resource)
    }

    /// Finds a kind by an owner reference, whatever its version; says whether its objects are in namespaces.
    pub(super) fn find(&self, api_version: &str, kind: &str) -> Option<(usize, bool)> {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let is_it = |k: &Kind| k.watch.is_some() && k.resource.group == group && k.resource.kind == kind;
        let at = self.kinds.iter().position(is_it)?;
        Some((at, self.kinds.get(at)?.namespaced))
    }

    /// Whether objects of this kind bring other kinds.
    pub(super) fn defines_kinds(&self, kind: usize) -> bool {
        self.get(kind).is_some_and(|kind| matches!(kind.kind.as_str(), "CustomResourceDefinition" | "APIService"))
    }

    pub(super) async fn next(&mut self) -> Option<(usize, Change)> {
        self.changes.recv().await
    }

    /// Watches kinds that are new and forgets those that have gone, which it returns.
    pub(super) async fn discover(&mut self) -> Result<Vec<usize>, kube::Error> {
        let discovery = Discovery::new(self.client.clone()).run_aggregated().await?;
        let mut found = Vec::new();
        for group in discovery.groups() {
            for (resource, capabilities) in group.recommended_resources() {
                let can = |verb: &str| capabilities.supports_operation(verb);
                // Events are many, and belong to nobody.
                if can(verbs::LIST) && can(verbs::WATCH) && can(verbs::DELETE) && resource.kind != "Event" {
                    found.push((resource, capabilities.scope == Scope::Namespaced));
                }
            }
        }
        let mut gone = Vec::new();
        for (index, kind) in self.kinds.iter_mut().enumerate() {
            if !found.iter().any(|(resource, _)| *resource == kind.resource)
                && let Some(watch) = kind.watch.take()
            {
                watch.abort();
                gone.push(index);
            }
        }
        for (resource, namespaced) in found {
            if !self.kinds.iter().any(|kind| kind.watch.is_some() && kind.resource == resource) {
                let watch = self.watch(self.kinds.len(), &resource);
                self.kinds.push(Kind { resource, namespaced, watch: Some(watch) });
            }
        }
        Ok(gone)
    }

    fn watch(&self, index: usize, resource: &ApiResource) -> AbortHandle {
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(self.client.clone(), resource);
        let changes = self.sender.clone();
        let task = async move {
            let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
            let mut listed = HashSet::new();
            while let Some(event) = events.next().await {
                let change = match event {
                    Ok(Event::Init) => {
                        listed.clear();
                        continue;
                    }
                    Ok(Event::InitApply(object)) => {
                        listed.extend(object.uid());
                        Change::Put(Box::new(object))
                    }
                    Ok(Event::InitDone) => Change::Only(std::mem::take(&mut listed)),
                    Ok(Event::Apply(object)) => Change::Put(Box::new(object)),
                    Ok(Event::Delete(object)) => match object.uid() {
                        Some(uid) => Change::Gone(uid),
                        None => continue,
                    },
                    Err(error) => {
                        tracing::debug!(%error, "watching");
                        continue;
                    }
                };
                if changes.send((index, change)).await.is_err() {
                    return;
                }
            }
        };
        tokio::spawn(task).abort_handle()
    }
}
