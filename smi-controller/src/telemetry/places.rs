//! Which objects an end of the traffic is part of.

use std::{collections::HashMap, sync::Arc};

use isthmus_core::id::ObjectName;

use super::{
    kind::Kind,
    model::{End, Observation},
};
use crate::index::Roster;

/// Looked up once for all observations of an answer. Names of what is in no namespace have an empty one.
#[derive(Debug)]
pub(crate) struct Places {
    kind: Kind,
    /// By pod. Only where the ends don't say it themselves.
    found: HashMap<ObjectName, Vec<ObjectName>>,
}

/// What stands in an edge as the other resource. Empty parts aren't known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Peer {
    /// `None`: this one.
    pub(crate) mesh: Option<Arc<str>>,
    pub(crate) kind: Arc<str>,
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
}

impl Places {
    /// Of what was seen.
    pub(crate) fn look(kind: Kind, observations: &[Observation], roster: &Roster) -> Self {
        let mut found = HashMap::new();
        // Names and namespaces are in the ends; Deployments and the like mostly.
        if !matches!(kind, Kind::Namespace | Kind::Pod | Kind::TrafficSplit) {
            let ends = observations.iter().flat_map(|seen| [&seen.own, &seen.peer]);
            for end in ends.filter(|end| end.mesh.is_none() && !end.pod.is_empty() && &*end.kind != kind.as_str()) {
                let pod = ObjectName::new(end.namespace.clone(), end.pod.clone());
                let places = || look(kind, &pod, roster);
                found.entry(pod.clone()).or_insert_with(places);
            }
        }
        Self { kind, found }
    }

    /// The objects of the kind that the end is part of, in its own mesh.
    pub(crate) fn of(&self, end: &End) -> Vec<ObjectName> {
        let named = |namespace: &Arc<str>, name: &Arc<str>| {
            let name = ObjectName::new(namespace.clone(), name.clone());
            if name.name.is_empty() { Vec::new() } else { vec![name] }
        };
        match self.kind {
            Kind::Namespace => named(&"".into(), &end.namespace),
            Kind::Pod => named(&end.namespace, &end.pod),
            kind if &*end.kind == kind.as_str() => named(&end.namespace, &end.name),
            _ if end.mesh.is_some() => Vec::new(),
            _ => self.found.get(&ObjectName::new(end.namespace.clone(), end.pod.clone())).cloned().unwrap_or_default(),
        }
    }

    /// The end as the other side of an edge: of the same kind where it is part of such an object, else what owns its pod, else
    /// what is known.
    pub(crate) fn peers(&self, end: &End) -> Vec<Peer> {
        let same = self.of(end);
        let peer = |kind: &str, namespace: &Arc<str>, name: &Arc<str>| Peer {
            mesh: end.mesh.clone(),
            kind: kind.into(),
            namespace: namespace.clone(),
            name: name.clone(),
        };
        if !same.is_empty() {
            return same.iter().map(|object| peer(self.kind.as_str(), &object.namespace, &object.name)).collect();
        }
        vec![peer(&end.kind, &end.namespace, &end.name)]
    }
}

fn look(kind: Kind, pod: &ObjectName, roster: &Roster) -> Vec<ObjectName> {
    let Some(place) = roster.place(pod) else { return Vec::new() };
    match kind {
        Kind::Service => roster.services(pod).cloned().collect(),
        Kind::Node if place.node.is_empty() => Vec::new(),
        Kind::Node => vec![ObjectName::new("", place.node.clone())],
        _ => {
            let owners = place.owners.iter().filter(|owner| &*owner.kind == kind.as_str());
            owners.map(|owner| ObjectName::new(pod.namespace.clone(), owner.name.clone())).collect()
        }
    }
}
