//! Reading what a proxy tells. It is believed of its own pod alone, and within bounds.

use std::sync::Arc;

use isthmus_api::control::v1 as proto;
use isthmus_core::{id::ObjectName, telemetry::BUCKETS};

use super::{Counts, Key, LONGEST, millis};
use crate::telemetry::model::{Direction, End};

/// Most edges of one message; what is more is refused. A proxy has half of it.
pub(crate) const MAX_EDGES: usize = 8_192;
/// Longest name of anything, as Kubernetes has it.
pub(crate) const MAX_NAME: usize = 253;
/// Most that one edge can have of anything between two reports.
pub(crate) const MAX_COUNT: u64 = u32::MAX as u64;

/// What was told, as far as it can be.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The time that it is of, up to now.
    pub(crate) milliseconds: u64,
    pub(crate) edges: Vec<(Key, Counts)>,
    /// Edges that weren't taken, and why the last wasn't.
    pub(crate) refused: Option<(u64, Refused)>,
}

/// Why an edge isn't taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// More edges than a proxy keeps.
    #[error("Traffic.edges: more than {MAX_EDGES}")]
    TooMany,
    /// A name that is none.
    #[error("{0}: must be letters, digits, '-', '.', '_', ':' alone, at most {MAX_NAME}")]
    Name(&'static str),
    /// A number that can't be.
    #[error("{0}: more than {MAX_COUNT}")]
    Count(&'static str),
    /// Another number of buckets than there are.
    #[error("Edge.latency: must be {BUCKETS} counts, or none")]
    Buckets,
    /// A direction that this version doesn't know.
    #[error("Edge.direction: unknown")]
    Direction,
}

/// `mesh_of` names the mesh of a trust domain: `None` for this one.
pub(crate) fn read(traffic: proto::Traffic, mut mesh_of: impl FnMut(&str) -> Option<Arc<str>>) -> Report {
    let milliseconds = u64::from(traffic.milliseconds).min(millis(LONGEST));
    let mut report = Report { milliseconds, ..Report::default() };
    let mut refuse = |number: u64, why| {
        let before = report.refused.map_or(0, |(number, _)| number);
        report.refused = Some((before.saturating_add(number), why));
    };
    let beyond = traffic.edges.len().saturating_sub(MAX_EDGES);
    if beyond > 0 {
        refuse(u64::try_from(beyond).unwrap_or(u64::MAX), Refused::TooMany);
    }
    let mut edges = Vec::new();
    for told in traffic.edges.into_iter().take(MAX_EDGES) {
        match edge(told, &mut mesh_of) {
            Ok(edge) => edges.push(edge),
            Err(why) => refuse(1, why),
        }
    }
    report.edges = edges;
    report
}

fn edge(edge: proto::Edge, mesh_of: &mut impl FnMut(&str) -> Option<Arc<str>>) -> Result<(Key, Counts), Refused> {
    let direction = match edge.direction() {
        _ if proto::Direction::try_from(edge.direction).is_err() => return Err(Refused::Direction),
        proto::Direction::Inbound => Direction::Inbound,
        proto::Direction::Outbound => Direction::Outbound,
    };
    let object = |what, name: Option<proto::ObjectName>| name.map(|name| object(what, &name)).transpose();
    let key = Key {
        direction,
        peer: edge.peer.map(|peer| end(&peer, mesh_of)).transpose()?.unwrap_or_default(),
        service: object("Edge.service", edge.service)?,
        backend: object("Edge.backend", edge.backend)?,
        split: object("Edge.split", edge.split)?,
    };
    let latency = match &*edge.latency {
        [] => [0; BUCKETS],
        counts => counts.try_into().map_err(|_| Refused::Buckets)?,
    };
    for (what, count) in [("Edge.successes", edge.successes), ("Edge.failures", edge.failures)] {
        bounded(what, count)?;
    }
    for count in latency {
        bounded("Edge.latency", count)?;
    }
    Ok((key, Counts::new(edge.successes, edge.failures, latency)))
}

fn bounded(what: &'static str, count: u64) -> Result<(), Refused> {
    if count > MAX_COUNT { Err(Refused::Count(what)) } else { Ok(()) }
}

fn end(peer: &proto::Workload, mesh_of: &mut impl FnMut(&str) -> Option<Arc<str>>) -> Result<End, Refused> {
    let mesh = name("Workload.mesh", &peer.mesh)?;
    Ok(End {
        mesh: if mesh.is_empty() { None } else { mesh_of(&mesh) },
        namespace: name("Workload.namespace", &peer.namespace)?,
        kind: name("Workload.kind", &peer.kind)?,
        name: name("Workload.name", &peer.name)?,
        pod: name("Workload.pod", &peer.pod)?,
    })
}

fn object(what: &'static str, object: &proto::ObjectName) -> Result<ObjectName, Refused> {
    Ok(ObjectName::new(name(what, &object.namespace)?, name(what, &object.name)?))
}

/// May be empty: what isn't known is.
fn name(what: &'static str, text: &str) -> Result<Arc<str>, Refused> {
    let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
    if text.len() > MAX_NAME || !text.bytes().all(ok) {
        return Err(Refused::Name(what));
    }
    Ok(text.into())
}
