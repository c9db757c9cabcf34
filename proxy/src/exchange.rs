//! One request and its answer: what is counted of it, and told of it at its end.

use std::{
    cell::{Cell, OnceCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, Method, uri::PathAndQuery};
use isthmus_core::{
    deny::DenyCode,
    id::{ObjectName, SpiffeId},
};

use crate::{
    access_log::{Alike, Record, Stamp},
    backend::BackendState,
    edges::{Answer, Caller, Edge, Open, Protocol},
    expect::Expectation,
    fault::Fault,
    hop,
    metrics::Direction,
    trace::Span,
    watch::Watch,
};

/// The life of one request. It ends, and is counted and logged, when both bodies have let go of it.
pub(crate) struct Exchange {
    pub(crate) direction: Direction,
    watch: Rc<Watch>,
    forgotten: Cell<bool>,
    pub(crate) started: Instant,
    /// `None`: an opaque TCP connection.
    pub(crate) method: Option<Method>,
    pub(crate) target: Option<PathAndQuery>,
    pub(crate) client: SocketAddr,
    pub(crate) peer: Option<SpiffeId>,
    pub(crate) protocol: Protocol,
    /// Inbound: whose edges it is counted on.
    pub(crate) caller: OnceCell<Rc<Caller>>,
    pub(crate) backend: OnceCell<Rc<BackendState>>,
    /// The endpoint's place in the backend.
    chosen: Cell<Option<usize>>,
    pub(crate) endpoint: Cell<Option<SocketAddr>>,
    /// Times that it was sent to an endpoint.
    sent_times: Cell<u32>,
    /// Inbound: what let it in.
    pub(crate) grant: OnceCell<ObjectName>,
    /// Of an opaque connection on which somebody has spoken.
    open: OnceCell<Open>,
    pub(crate) status: Cell<u16>,
    /// That a call of gRPC has of its own, once it was said.
    pub(crate) grpc_status: Cell<Option<u32>>,
    /// Denied, or in audit mode let through, for this reason: the status tells.
    pub(crate) denied: Cell<Option<DenyCode>>,
    pub(crate) fault: Cell<Option<Fault>>,
    pub(crate) received: Cell<u64>,
    pub(crate) sent: Cell<u64>,
    /// The whole request body has been passed on.
    pub(crate) request_done: Cell<bool>,
    /// How long the client may pause within the body; for ever where nothing is said.
    pub(crate) patience: Cell<Option<Duration>>,
    /// The body waits for the endpoint's `100 Continue`.
    pub(crate) expectation: Option<Expectation>,
    /// Its trace is recorded.
    pub(crate) span: OnceCell<Box<Span>>,
}

impl Exchange {
    /// Of an HTTP request.
    pub(crate) fn new<B>(
        direction: Direction,
        watch: &Rc<Watch>,
        client: SocketAddr,
        peer: Option<SpiffeId>,
        request: &http::Request<B>,
    ) -> Self {
        let mut exchange = Self::tcp(direction, watch, client, peer);
        exchange.method = Some(request.method().clone());
        exchange.protocol = if hop::is_grpc(request.headers()) { Protocol::Grpc } else { Protocol::Http };
        exchange.expectation = request.extensions().get().cloned();
        exchange.target = request.uri().path_and_query().cloned();
        exchange
    }

    /// Of a TCP connection.
    pub(crate) fn tcp(direction: Direction, watch: &Rc<Watch>, client: SocketAddr, peer: Option<SpiffeId>) -> Self {
        Self {
            direction,
            watch: Rc::clone(watch),
            forgotten: Cell::new(false),
            started: Instant::now(),
            method: None,
            target: None,
            client,
            peer,
            protocol: Protocol::Tcp,
            caller: OnceCell::new(),
            backend: OnceCell::new(),
            chosen: Cell::new(None),
            endpoint: Cell::new(None),
            sent_times: Cell::new(0),
            grant: OnceCell::new(),
            open: OnceCell::new(),
            status: Cell::new(0),
            grpc_status: Cell::new(None),
            denied: Cell::new(None),
            fault: Cell::new(None),
            received: Cell::new(0),
            sent: Cell::new(0),
            request_done: Cell::new(false),
            patience: Cell::new(None),
            expectation: None,
            span: OnceCell::new(),
        }
    }

    /// Takes note of what an answer's head or trailers say of a call of gRPC.
    pub(crate) fn hear(&self, headers: &HeaderMap) {
        if self.is_grpc()
            && let Some(status) = hop::grpc_status(headers)
        {
            self.grpc_status.set(Some(status));
        }
    }

    /// Nothing came of it, or it is nobody's traffic: it isn't to be logged or counted.
    pub(crate) fn forget(&self) {
        self.forgotten.set(true);
    }

    /// Is it gRPC, whose clients expect a status of their own?
    pub(crate) fn is_grpc(&self) -> bool {
        self.protocol == Protocol::Grpc
    }

    /// An endpoint is to have it.
    pub(crate) fn choose(&self, index: usize, addr: SocketAddr) {
        self.chosen.set(Some(index));
        self.endpoint.set(Some(addr));
        self.sent_times.set(self.sent_times.get().saturating_add(1));
    }

    /// Times that it was sent again.
    pub(crate) fn retries(&self) -> u32 {
        self.sent_times.get().saturating_sub(1)
    }

    /// This grant lets it in.
    pub(crate) fn granted(&self, grant: &ObjectName) {
        let _ = self.grant.set(grant.clone());
    }

    /// An opaque connection is traffic from its first byte on. A caller's sidecar opens one, too, to hear whether the server speaks
    /// first; if the client then speaks HTTP after all, it ends without a word, and was never anybody's.
    fn begin(&self) {
        if self.protocol == Protocol::Tcp && !self.forgotten.get() && self.open.get().is_none() {
            self.on_edge(|edge| drop(self.open.set(Open::on(edge))));
        }
    }

    /// Bytes have passed: of the client, and to it. An opaque connection's are counted at once, for it may last.
    pub(crate) fn moved(&self, received: u64, sent: u64) {
        if received > 0 || sent > 0 {
            self.begin();
        }
        self.received.set(self.received.get().saturating_add(received));
        self.sent.set(self.sent.get().saturating_add(sent));
        if let Some(open) = self.open.get() {
            open.edge().moved(received, sent);
        }
    }

    /// The endpoint's answer has ended: whoever called by gRPC and was told nothing takes that for UNKNOWN.
    pub(crate) fn answered(&self) {
        if self.is_grpc() && self.status.get() == 200 && self.grpc_status.get().is_none() {
            self.grpc_status.set(Some(UNKNOWN));
        }
    }

    fn on_edge(&self, count: impl FnOnce(&Arc<Edge>)) {
        match self.direction {
            Direction::Inbound => {
                if let Some(caller) = self.caller.get() {
                    caller.on_edge(self.protocol, count);
                }
            }
            Direction::Outbound => {
                if let Some(backend) = self.backend.get() {
                    backend.on_edge(self.chosen.get(), self.protocol, count);
                }
            }
        }
    }

    /// Counts what has become of it.
    fn count(&self, took: Duration) {
        if self.protocol != Protocol::Tcp {
            let (status, received, sent) = (self.status.get(), self.received.get(), self.sent.get());
            let failed = is_failure(status, self.grpc_status.get());
            return self.on_edge(|edge| edge.answer(Answer { status, failed, took, received, sent }));
        }
        let failed = self.fault.get().is_some();
        match self.open.get() {
            Some(open) => open.edge().ended(failed),
            None if failed => self.on_edge(|edge| edge.ended(true)),
            None => {}
        }
    }

    /// What is told of it.
    fn record(&self, ended: Stamp, took: Duration) -> Record<'_> {
        let (caller, backend) = (self.caller.get(), self.backend.get());
        let outbound = backend.filter(|_| self.direction == Direction::Outbound);
        let endpoint = outbound.zip(self.chosen.get()).and_then(|(backend, index)| backend.endpoint(index));
        let callee = endpoint.and_then(|endpoint| endpoint.peer.borrow().1.clone());
        let http = self.protocol != Protocol::Tcp;
        let alike = match (caller, outbound.zip(self.chosen.get())) {
            (Some(caller), _) if self.endpoint.get().is_some() => Alike::Connection(caller.memo()),
            (None, Some((backend, index))) => backend.memo(index).map_or(Alike::No, Alike::Endpoint),
            _ => Alike::No,
        };
        Record {
            ended: Some(ended),
            direction: self.direction.as_str(),
            protocol: self.protocol.as_str(),
            client: Some(self.client),
            peer: self.peer.as_ref().or_else(|| endpoint.and_then(|endpoint| endpoint.endpoint.identity.as_ref())),
            workload: callee.or_else(|| caller.and_then(|caller| caller.workload().cloned())),
            service: outbound
                .map(|b| &*b.destination)
                .or_else(|| caller.and_then(|caller| caller.service().map(|service| &**service))),
            method: self.method.as_ref().filter(|_| http).map(Method::as_str),
            path: self.target.as_ref().filter(|_| http).map(PathAndQuery::path),
            status: http.then(|| self.status.get()),
            grpc_status: self.grpc_status.get(),
            grant: self.grant.get().filter(|_| self.denied.get().is_none()),
            deny: self.denied.get().map(DenyCode::as_str),
            error: self.fault.get().map(Fault::as_str),
            took,
            received: self.received.get(),
            sent: self.sent.get(),
            split: outbound.and_then(|b| b.split.as_deref()),
            backend: outbound.map(|b| &*b.name),
            endpoint: self.endpoint.get(),
            retries: self.retries(),
            trace: self.span.get().map(|span| span.trace_id()),
            alike,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let ended = Instant::now();
        let took = ended.saturating_duration_since(self.started);
        if !self.forgotten.get() {
            self.count(took);
            self.watch.see(ended, |at| self.record(at, took));
        }
        if let Some(span) = self.span.take() {
            span.end(self, took);
        }
    }
}

/// gRPC's own codes of failures: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and DATA_LOSS. The others say that the call was
/// answered, if not as the client would like it.
const GRPC_FAILURES: [u32; 5] = [UNKNOWN, 4, 13, 14, 15];
const UNKNOWN: u32 = 2;

/// No answer, an error of the server, or a gRPC status that says so.
fn is_failure(status: u16, grpc_status: Option<u32>) -> bool {
    status == 0 || status >= 500 || grpc_status.is_some_and(|status| GRPC_FAILURES.contains(&status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_the_servers() {
        assert!([0, 500, 503].iter().all(|status| is_failure(*status, None)));
        assert!([101, 200, 302, 403, 404, 429].iter().all(|status| !is_failure(*status, None)));
        let failed: Vec<u32> = (0..=16).filter(|status| is_failure(200, Some(*status))).collect();
        assert_eq!(failed, [2, 4, 13, 14, 15]);
    }
}
