//! Who belongs to whom, and what follows from it.

use std::collections::{BTreeSet, HashMap};

use kube::api::PropagationPolicy;

/// Waits until its dependents that block it are gone.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Waits until its dependents have no owner any more.
pub(super) const ORPHAN: &str = "orphan";

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    /// An index of the kinds.
    pub(super) kind: usize,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace.as_deref().unwrap_or_default(), self.name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
    /// Its foreground deletion waits for this dependent.
    pub(super) blocks: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) object: Object,
    pub(super) owners: Vec<Owner>,
    pub(super) deleting: bool,
    pub(super) finalizers: Vec<String>,
}

impl Node {
    fn waits_for(&self, finalizer: &str) -> bool {
        self.deleting && self.finalizers.iter().any(|name| name == finalizer)
    }
}

/// What to do about an object.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    Keep,
    /// Decide about these, which hold it back.
    Look(Vec<String>),
    /// Take this finalizer off.
    Release(&'static str),
    /// Take it out of these dependents' owners, then take its finalizer off.
    Orphan(Vec<String>),
    /// Take these owners out: others stay.
    Disown(Vec<String>),
    /// Delete it, if these owners, which are not in the graph, are truly absent.
    Delete {
        absent: Vec<Owner>,
        policy: PropagationPolicy,
    },
}

/// All objects by UID.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: HashMap<String, Node>,
    dependents: HashMap<String, BTreeSet<String>>,
}

impl Graph {
    pub(super) fn object(&self, uid: &str) -> Option<&Object> {
        self.nodes.get(uid).map(|node| &node.object)
    }

    pub(super) fn of_kind(&self, kind: usize) -> Vec<String> {
        let these = self.nodes.iter().filter(|(_, node)| node.object.kind == kind);
        these.map(|(uid, _)| uid.clone()).collect()
    }

    /// Adds or changes an object. The answer: the objects to decide about.
    pub(super) fn put(&mut self, uid: String, node: Node) -> Vec<String> {
        let old = self.unlink(&uid);
        for owner in &node.owners {
            self.dependents.entry(owner.uid.clone()).or_default().insert(uid.clone());
        }
        // An owner that this object no longer blocks may go.
        let former = old.iter().flat_map(|old| &old.owners).map(|owner| owner.uid.clone());
        let touched: Vec<String> = former.chain([uid.clone()]).collect();
        self.nodes.insert(uid, node);
        touched
    }

    /// Removes an object. The answer: the objects to decide about.
    pub(super) fn remove(&mut self, uid: &str) -> Vec<String> {
        let owners = self.unlink(uid).into_iter().flat_map(|node| node.owners).map(|owner| owner.uid);
        let dependents = self.dependents.get(uid).cloned().unwrap_or_default();
        owners.chain(dependents).collect()
    }

    fn unlink(&mut self, uid: &str) -> Option<Node> {
        let node = self.nodes.remove(uid)?;
        for owner in &node.owners {
            if let Some(dependents) = self.dependents.get_mut(&owner.uid) {
                dependents.remove(uid);
                if dependents.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
        Some(node)
    }

    fn dependents(&self, uid: &str) -> impl Iterator<Item = (&String, &Node)> {
        let uids = self.dependents.get(uid).into_iter().flatten();
        uids.filter_map(|uid| Some((uid, self.nodes.get(uid)?)))
    }

    pub(super) fn decide(&self, uid: &str) -> Decision {
        let Some(node) = self.nodes.get(uid) else { return Decision::Keep };
        if node.waits_for(ORPHAN) {
            return Decision::Orphan(self.dependents(uid).map(|(uid, _)| uid.clone()).collect());
        }
        if node.waits_for(FOREGROUND) {
            let blocks = |node: &Node| node.owners.iter().any(|owner| owner.uid == uid && owner.blocks);
            if !self.dependents(uid).any(|(_, dependent)| blocks(dependent)) {
                return Decision::Release(FOREGROUND);
            }
            let idle = self.dependents(uid).filter(|(_, dependent)| !dependent.deleting);
            return Decision::Look(idle.map(|(uid, _)| uid.clone()).collect());
        }
        if node.deleting || node.owners.is_empty() {
            return Decision::Keep;
        }
        let mut absent = Vec::new();
        let mut waiting = Vec::new();
        let mut solid = false;
        for owner in &node.owners {
            match self.nodes.get(&owner.uid) {
                None => absent.push(owner.clone()),
                Some(found) if found.waits_for(FOREGROUND) => waiting.push(owner.uid.clone()),
                Some(_) => solid = true,
            }
        }
        match solid {
            true if waiting.is_empty() => Decision::Keep,
            true => Decision::Disown(waiting),
            false => Decision::Delete { absent, policy: self.policy(uid, node, !waiting.is_empty()) },
        }
    }

    /// What an object wanted for its own dependents holds; those of a foreground deletion are deleted so too.
    fn policy(&self, uid: &str, node: &Node, foreground: bool) -> PropagationPolicy {
        let has = |finalizer: &str| node.finalizers.iter().any(|name| name == finalizer);
        if has(ORPHAN) {
            PropagationPolicy::Orphan
        } else if has(FOREGROUND) || (foreground && self.dependents(uid).next().is_some()) {
            PropagationPolicy::Foreground
        } else {
            PropagationPolicy::Background
        }
    }
}

#[cfg(test)]
mod tests;
