//! Whom pods belong to: their owners, their node, their Services. Of pods that are gone too: what was seen of their traffic is
//! asked for later.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use isthmus_core::id::ObjectName;
use isthmus_k8s::watch::Change;
use k8s_openapi::api::core::v1 as k8s;
use kube::ResourceExt;

use super::{Update, table::name_of};

/// Pods that are gone and still remembered; then the one that went first is forgotten.
pub(crate) const MAX_GONE: usize = 10_000;
/// On a Deployment's pods: the end of their ReplicaSet's name.
const TEMPLATE_HASH: &str = "pod-template-hash";
/// The same on an Argo Rollout's.
const ROLLOUT_HASH: &str = "rollouts-pod-template-hash";

/// Something that owns pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) kind: Arc<str>,
    pub(crate) name: Arc<str>,
}

/// What a pod belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// The nearest first.
    pub(crate) owners: Vec<Owner>,
    /// Empty before it is scheduled.
    pub(crate) node: Arc<str>,
    labels: BTreeMap<String, String>,
}

/// All pods, and the Services that select them.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    places: HashMap<ObjectName, Place>,
    gone: VecDeque<ObjectName>,
    selectors: BTreeMap<ObjectName, BTreeMap<String, String>>,
}

impl Roster {
    pub(crate) fn place(&self, pod: &ObjectName) -> Option<&Place> {
        self.places.get(pod)
    }

    /// What owns the pod in the end; the pod itself where nothing does. `None`: no such pod is remembered.
    pub(crate) fn workload(&self, pod: &ObjectName) -> Option<Owner> {
        let place = self.places.get(pod)?;
        let itself = || Owner { kind: "Pod".into(), name: pod.name.clone() };
        Some(place.owners.last().cloned().unwrap_or_else(itself))
    }

    /// The Services that select the pod.
    pub(crate) fn services<'a>(&'a self, pod: &'a ObjectName) -> impl Iterator<Item = &'a ObjectName> {
        let labels = self.places.get(pod).map(|place| &place.labels);
        let from = ObjectName::new(pod.namespace.clone(), "");
        let near = self.selectors.range(from..).take_while(|(name, _)| name.namespace == pod.namespace);
        let has = move |(key, value): (&String, &String)| labels.and_then(|labels| labels.get(key)) == Some(value);
        near.filter(move |(_, selector)| selector.iter().all(has)).map(|(name, _)| name)
    }

    pub(super) fn note(&mut self, update: &Update) {
        match update {
            Update::Pod(Change::Applied(pod)) => {
                let name = name_of(pod);
                let back = self.places.insert(name.clone(), read(pod)).is_some();
                if back && !self.gone.is_empty() {
                    self.gone.retain(|gone| *gone != name);
                }
            }
            Update::Pod(Change::Deleted(name)) if self.places.contains_key(name) => {
                self.gone.push_back(name.clone());
                if self.gone.len() > MAX_GONE
                    && let Some(first) = self.gone.pop_front()
                {
                    self.places.remove(&first);
                }
            }
            Update::Service(Change::Applied(service)) => {
                let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
                // Without a selector it has no pods of its own.
                if selector.is_empty() {
                    self.selectors.remove(&name_of(service));
                } else {
                    self.selectors.insert(name_of(service), selector);
                }
            }
            Update::Service(Change::Deleted(name)) => {
                self.selectors.remove(name);
            }
            _ => {}
        }
    }
}

fn read(pod: &k8s::Pod) -> Place {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default();
    Place { owners: owners(pod), node: node.into(), labels: pod.labels().clone() }
}

/// What owns a pod, the nearest first. Above a ReplicaSet it is known by the label that its owner puts on its pods: that saves
/// a watch on all ReplicaSets.
pub(super) fn owners(pod: &k8s::Pod) -> Vec<Owner> {
    let Some(nearest) = pod.owner_references().iter().find(|owner| owner.controller == Some(true)) else {
        return Vec::new();
    };
    let above = |(label, kind): (&str, &str)| {
        let hash = pod.labels().get(label)?;
        let name = nearest.name.strip_suffix(hash.as_str())?.strip_suffix('-').filter(|name| !name.is_empty())?;
        Some(Owner { kind: kind.into(), name: name.into() })
    };
    let top = match nearest.kind.as_str() {
        "ReplicaSet" => [(ROLLOUT_HASH, "Rollout"), (TEMPLATE_HASH, "Deployment")].into_iter().find_map(above),
        _ => None,
    };
    let nearest = Owner { kind: nearest.kind.as_str().into(), name: nearest.name.as_str().into() };
    [nearest].into_iter().chain(top).collect()
}

#[cfg(test)]
mod tests;
