//! What the controller is told of edges: what has come since it was told last.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use isthmus_api::{
    MAX_PROXY_MESSAGE_BYTES,
    control::v1::{self as proto, Traffic},
    encoded_len,
};
use isthmus_core::telemetry::{BUCKETS, Workload};

use super::{Counts, Edge, Protocol};
use crate::metrics::Direction;

/// Most bytes of edges in one message: the rest of it is small.
const MESSAGE: usize = MAX_PROXY_MESSAGE_BYTES - 1024;

/// What was told of an edge, and when something happened on it last.
#[derive(Debug, Default)]
pub(super) struct Told {
    successes: u64,
    failures: u64,
    latency: [u64; BUCKETS],
    micros: u64,
    received: u64,
    sent: u64,
    activity: u64,
    active: Option<Instant>,
}

impl Told {
    /// Notes how much has happened by now.
    pub(super) fn saw(&mut self, activity: u64, now: Instant) {
        if self.active.is_none() || self.activity != activity {
            (self.activity, self.active) = (activity, Some(now));
        }
    }

    /// How long nothing has happened.
    pub(super) fn since(&self, now: Instant) -> Duration {
        self.active.map_or(Duration::ZERO, |active| now.saturating_duration_since(active))
    }

    /// What has come, as it is told; it counts as told from now on.
    fn advance(&mut self, counts: &Counts) -> Option<proto::Edge> {
        let gained = |told: &mut u64, now: u64| now.saturating_sub(std::mem::replace(told, now));
        let mut edge = proto::Edge {
            successes: gained(&mut self.successes, counts.successes),
            failures: gained(&mut self.failures, counts.failures),
            latency_sum_microseconds: gained(&mut self.micros, counts.latency.sum_micros),
            bytes_received: gained(&mut self.received, counts.received),
            bytes_sent: gained(&mut self.sent, counts.sent),
            ..proto::Edge::default()
        };
        let latency = self.latency.iter_mut().zip(counts.latency.counts).map(|(told, now)| gained(told, now));
        let latency: Vec<u64> = latency.collect();
        if latency.iter().any(|count| *count > 0) {
            edge.latency = latency;
        }
        let any = edge.successes | edge.failures | edge.bytes_received | edge.bytes_sent;
        (any > 0 || !edge.latency.is_empty()).then_some(edge)
    }
}

/// What has come on these edges in the time since the last call, in messages of bounded size; none if nothing has.
pub(crate) fn news(edges: &[Arc<Edge>], time: Duration) -> Vec<Traffic> {
    let milliseconds = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let new = || Traffic { milliseconds, edges: Vec::new() };
    let (mut messages, mut room): (Vec<Traffic>, usize) = (Vec::new(), 0);
    for edge in edges {
        let Some(told) = news_of(edge) else { continue };
        // With its tag and its length.
        let length = encoded_len(&told) + 8;
        if length > room {
            messages.push(new());
            room = MESSAGE;
        }
        room = room.saturating_sub(length);
        messages.last_mut().into_iter().for_each(|message| message.edges.push(told.clone()));
    }
    messages
}

fn news_of(edge: &Edge) -> Option<proto::Edge> {
    let news = edge.told.lock().unwrap_or_else(PoisonError::into_inner).advance(&edge.read())?;
    let key = &edge.key;
    let direction = match key.direction {
        Direction::Inbound => proto::Direction::Inbound,
        Direction::Outbound => proto::Direction::Outbound,
    };
    let protocol = match key.protocol {
        Protocol::Http => proto::EdgeProtocol::Http,
        Protocol::Grpc => proto::EdgeProtocol::Grpc,
        Protocol::Tcp => proto::EdgeProtocol::Tcp,
    };
    let news = proto::Edge { direction: direction.into(), protocol: protocol.into(), ..news };
    if edge.folded {
        return Some(news);
    }
    let object = |name: &str| {
        let (namespace, name) = name.split_once('/')?;
        Some(proto::ObjectName { namespace: namespace.to_owned(), name: name.to_owned() })
    };
    Some(proto::Edge {
        peer: key.peer.as_deref().map(workload),
        service: object(&key.service),
        backend: object(&key.backend),
        split: object(&key.split),
        ..news
    })
}

fn workload(workload: &Workload) -> proto::Workload {
    proto::Workload {
        mesh: (*workload.mesh).to_owned(),
        namespace: (*workload.namespace).to_owned(),
        kind: (*workload.kind).to_owned(),
        name: (*workload.name).to_owned(),
        pod: (*workload.pod).to_owned(),
        service_account: (*workload.service_account).to_owned(),
    }
}

#[cfg(test)]
mod tests;
