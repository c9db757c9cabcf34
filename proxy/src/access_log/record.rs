//! What is told of a request or a connection when it is over: by the access log and by taps, in the same words
//! (docs/access-log.md). Never what it carried: no query, no field of a head, no body.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_core::{id::SpiffeId, telemetry::Workload, trace::TraceId};

use super::time;

/// One of them. What is `None` isn't there, or isn't known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record<'a> {
    pub(crate) ended: Option<SystemTime>,
    pub(crate) direction: &'static str,
    pub(crate) protocol: &'static str,
    pub(crate) client: Option<SocketAddr>,
    /// The identity at the other end.
    pub(crate) peer: Option<&'a SpiffeId>,
    /// The same as a workload.
    pub(crate) workload: Option<Arc<Workload>>,
    pub(crate) service: Option<&'a str>,
    pub(crate) method: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
    pub(crate) status: Option<u16>,
    pub(crate) grpc_status: Option<u32>,
    pub(crate) deny: Option<&'static str>,
    pub(crate) error: Option<&'static str>,
    pub(crate) took: Duration,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) split: Option<&'a str>,
    pub(crate) backend: Option<&'a str>,
    pub(crate) endpoint: Option<SocketAddr>,
    pub(crate) trace: Option<TraceId>,
}

/// Takes a record's fields one after the other.
pub(crate) trait Fields {
    /// A text that users or the network have had a say in.
    fn text(&mut self, name: &'static str, value: &str);
    /// A text of letters, digits and marks that need no care.
    fn plain(&mut self, name: &'static str, value: impl std::fmt::Display);
    fn number(&mut self, name: &'static str, value: u64);
}

impl Record<'_> {
    /// Did it go wrong, or was it denied? Such ones are told whatever is sampled.
    pub(crate) fn is_remarkable(&self) -> bool {
        self.deny.is_some() || self.error.is_some() || self.status.is_some_and(|status| status == 0 || status >= 500)
    }

    /// Tells all that there is, always in this order.
    pub(crate) fn tell(&self, to: &mut impl Fields) {
        if let Some(ended) = self.ended {
            to.plain("timestamp", time::Rfc3339(ended));
        }
        to.plain("level", "INFO");
        to.plain("target", "access");
        to.plain("direction", self.direction);
        to.plain("protocol", self.protocol);
        if let Some(client) = self.client {
            to.plain("client", client);
        }
        if let Some(peer) = self.peer {
            to.text("peer", peer.as_str());
        }
        if let Some(workload) = &self.workload {
            to.text("peer_mesh", &workload.mesh);
            let parts = [
                ("peer_namespace", &workload.namespace),
                ("peer_kind", &workload.kind),
                ("peer_workload", &workload.name),
                ("peer_pod", &workload.pod),
            ];
            for (name, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
                to.text(name, value);
            }
        }
        let mut text = |name, value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                to.text(name, value);
            }
        };
        text("service", self.service);
        text("split", self.split);
        text("backend", self.backend);
        if let Some(endpoint) = self.endpoint {
            to.plain("endpoint", endpoint);
        }
        if let Some(method) = self.method {
            to.text("method", method);
        }
        if let Some(path) = self.path {
            to.text("path", path);
        }
        if let Some(status) = self.status {
            to.number("status", status.into());
        }
        if let Some(status) = self.grpc_status {
            to.number("grpc_status", status.into());
        }
        if let Some(deny) = self.deny {
            to.plain("deny", deny);
        }
        if let Some(error) = self.error {
            to.plain("error", error);
        }
        to.number("duration_us", u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX));
        to.number("bytes_in", self.received);
        to.number("bytes_out", self.sent);
        if let Some(trace) = self.trace {
            to.plain("trace_id", trace);
        }
    }
}
