//! One request and its answer: what is counted of it, and the line that is logged at its end.

use std::{
    cell::{Cell, OnceCell},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{HeaderMap, Method, uri::PathAndQuery};
use isthmus_core::{deny::DenyCode, id::SpiffeId};

use crate::{
    backend::BackendState,
    expect::Expectation,
    fault::Fault,
    hop,
    metrics::{Direction, Edge},
    trace::Span,
};

/// The life of one request. It ends, and is counted and logged, when both bodies have let go of it.
pub(crate) struct Exchange {
    pub(crate) direction: Direction,
    log: Cell<bool>,
    pub(crate) started: Instant,
    /// `None`: an opaque TCP connection.
    pub(crate) method: Option<Method>,
    pub(crate) target: Option<PathAndQuery>,
    pub(crate) client: SocketAddr,
    pub(crate) peer: Option<SpiffeId>,
    pub(crate) edge: OnceCell<Rc<Edge>>,
    pub(crate) backend: OnceCell<Rc<BackendState>>,
    pub(crate) endpoint: Cell<Option<SocketAddr>>,
    pub(crate) status: Cell<u16>,
    /// A call of gRPC, which has a status of its own.
    pub(crate) grpc: bool,
    /// That status, once it was said.
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
        log: bool,
        client: SocketAddr,
        peer: Option<SpiffeId>,
        request: &http::Request<B>,
    ) -> Self {
        let mut exchange = Self::tcp(direction, log, client, peer);
        exchange.method = Some(request.method().clone());
        exchange.grpc = hop::is_grpc(request.headers());
        exchange.expectation = request.extensions().get().cloned();
        exchange.target = request.uri().path_and_query().cloned();
        exchange
    }

    /// Of a TCP connection.
    pub(crate) fn tcp(direction: Direction, log: bool, client: SocketAddr, peer: Option<SpiffeId>) -> Self {
        Self {
            direction,
            log: Cell::new(log),
            started: Instant::now(),
            method: None,
            target: None,
            client,
            peer,
            edge: OnceCell::new(),
            backend: OnceCell::new(),
            endpoint: Cell::new(None),
            status: Cell::new(0),
            grpc: false,
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
        if self.grpc
            && let Some(status) = hop::grpc_status(headers)
        {
            self.grpc_status.set(Some(status));
        }
    }

    /// Nothing came of it: it isn't to be logged.
    pub(crate) fn forget(&self) {
        self.log.set(false);
    }

    fn write_line(&self, took: u64) {
        let backend = self.backend.get();
        tracing::info!(
            target: "access",
            direction = self.direction.as_str(),
            client = %self.client,
            peer = self.peer.as_ref().map(SpiffeId::as_str),
            method = self.method.as_ref().map_or("tcp", Method::as_str),
            path = self.target.as_ref().map(PathAndQuery::path),
            status = self.status.get(),
            deny = self.denied.get().map(DenyCode::as_str),
            error = self.fault.get().map(Fault::as_str),
            duration_us = took,
            bytes_in = self.received.get(),
            bytes_out = self.sent.get(),
            destination = backend.map(|b| &*b.destination),
            split = backend.and_then(|b| b.split.as_deref()),
            backend = backend.map(|b| &*b.name),
            endpoint = self.endpoint.get().map(tracing::field::display),
            trace = self.span.get().map(|span| tracing::field::display(span.trace_id())),
            "request"
        );
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        if let Some(edge) = self.edge.get() {
            edge.requests.count(self.status.get());
            edge.latency.observe(took.as_secs_f64());
        }
        if self.log.get() {
            self.write_line(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
        if let Some(span) = self.span.take() {
            span.end(self, took);
        }
    }
}
