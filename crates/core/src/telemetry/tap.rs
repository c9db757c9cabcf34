//! Taps: somebody watches what passes at some pods, for a while.

use std::{sync::Arc, time::Duration};

use super::Workload;
use crate::id::ObjectName;

/// Longest that a tap lasts.
pub const LONGEST: Duration = Duration::from_hours(1);
/// Most that each proxy tells of a tap in a second.
pub const MAX_PER_SECOND: u32 = 100;

/// One tap, at the pods that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// Names it within the mesh: it is drawn, not counted.
    pub id: u64,
    /// What of all that passes.
    pub filter: Filter,
    /// Most that each proxy tells in a second.
    pub per_second: u32,
    /// How long it lasts, whoever forgets to end it.
    pub lasts: Duration,
}

/// What a tap takes: that which every part that is there agrees to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// What arrives at the pod (true), or what departs from it.
    pub inbound: Option<bool>,
    /// The method, as sent.
    pub method: Option<Arc<str>>,
    /// How the path begins.
    pub path_prefix: Option<Arc<str>>,
    /// Of the answer.
    pub status: Option<Status>,
    /// Who is at the other end.
    pub peer: Option<Peer>,
    /// The Service that was called.
    pub service: Option<ObjectName>,
}

/// Some statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All that begin with this digit.
    Class(u8),
    /// This one.
    Code(u16),
}

/// Some workloads: those that have all of what isn't empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer {
    /// The trust domain.
    pub mesh: Arc<str>,
    /// The namespace.
    pub namespace: Arc<str>,
    /// The kind of what owns the pod.
    pub kind: Arc<str>,
    /// The name of that.
    pub name: Arc<str>,
    /// The pod.
    pub pod: Arc<str>,
}

/// What is known of a request or a connection when it is over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// It has arrived at the pod.
    pub inbound: bool,
    /// `None`: not HTTP.
    pub method: Option<&'a str>,
    /// Without the query.
    pub path: Option<&'a str>,
    /// Of the answer.
    pub status: Option<u16>,
    /// Who was at the other end.
    pub peer: Option<&'a Workload>,
    /// `namespace/name` of what was called.
    pub service: Option<&'a str>,
}

impl Filter {
    /// Does the tap take it?
    pub fn takes(&self, seen: Seen<'_>) -> bool {
        self.inbound.is_none_or(|inbound| inbound == seen.inbound)
            && self.method.as_deref().is_none_or(|method| seen.method == Some(method))
            && self.path_prefix.as_deref().is_none_or(|prefix| seen.path.is_some_and(|path| path.starts_with(prefix)))
            && self.status.is_none_or(|status| seen.status.is_some_and(|seen| status.is(seen)))
            && self.peer.as_ref().is_none_or(|peer| seen.peer.is_some_and(|workload| peer.is(workload)))
            && self.service.as_ref().is_none_or(|service| seen.service.is_some_and(|seen| names(seen, service)))
    }
}

impl Status {
    /// Is this one of them?
    pub fn is(self, status: u16) -> bool {
        match self {
            Self::Class(class) => status / 100 == u16::from(class),
            Self::Code(code) => status == code,
        }
    }
}

impl Peer {
    fn is(&self, workload: &Workload) -> bool {
        let Workload { mesh, namespace, kind, name, pod, .. } = workload;
        let pairs = [
            (&self.mesh, mesh),
            (&self.namespace, namespace),
            (&self.kind, kind),
            (&self.name, name),
            (&self.pod, pod),
        ];
        pairs.into_iter().all(|(wanted, is)| wanted.is_empty() || wanted == is)
    }
}

fn names(text: &str, object: &ObjectName) -> bool {
    text.split_once('/').is_some_and(|(namespace, name)| *namespace == *object.namespace && *name == *object.name)
}

#[cfg(test)]
mod tests;
