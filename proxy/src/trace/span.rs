//! A request's span, from its begin to the queue.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{Method, Request, Version, header::HOST};
use isthmus_core::{
    deny::DenyCode,
    id::{ObjectName, SpiffeId},
    telemetry::Workload,
    trace::{Context, TraceId, state},
};

use super::export::Queue;
use crate::{endpoint::EndpointState, exchange::Exchange, fault::Fault, limits::TRACE_TEXT, metrics::Direction};

/// What is kept of a recorded request while it is under way.
pub(crate) struct Span {
    queue: Queue,
    context: Context,
    state: String,
    begun: SystemTime,
    authority: String,
    path: String,
    version: Version,
    /// The callee, once one was chosen.
    callee: RefCell<Option<Rc<EndpointState>>>,
}

/// Who is on the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) addr: SocketAddr,
    pub(super) identity: Option<SpiffeId>,
    /// As its certificate says, once there was one.
    pub(super) workload: Option<Arc<Workload>>,
}

/// A request that is over, as the exporting thread gets it.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) direction: Direction,
    pub(super) context: Context,
    pub(super) state: String,
    pub(super) begun: SystemTime,
    pub(super) took: Duration,
    pub(super) method: Method,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) version: Version,
    /// Its status, where it is gRPC; `None`: it got none.
    pub(super) grpc: Option<Option<u32>>,
    pub(super) status: u16,
    pub(super) fault: Option<Fault>,
    pub(super) denied: Option<DenyCode>,
    pub(super) caller: Peer,
    /// `None`: it was sent to nobody.
    pub(super) callee: Option<Peer>,
    pub(super) resent: u32,
    pub(super) service: Arc<str>,
    pub(super) backend: Arc<str>,
    pub(super) split: Option<Arc<str>>,
    pub(super) grant: Option<ObjectName>,
}

impl Span {
    pub(super) fn begin<B>(queue: Queue, context: Context, request: &Request<B>) -> Self {
        let host = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let authority = request.uri().authority().map(http::uri::Authority::as_str).or_else(host);
        Self {
            queue,
            context,
            state: state(request.headers()),
            begun: SystemTime::now(),
            authority: cut(authority.unwrap_or_default()),
            path: cut(request.uri().path()),
            version: request.version(),
            callee: RefCell::default(),
        }
    }

    /// The trace that it is part of.
    pub(crate) fn trace_id(&self) -> TraceId {
        self.context.trace
    }

    /// It is sent to this endpoint.
    pub(crate) fn sent_to(&self, endpoint: &Rc<EndpointState>) {
        self.callee.replace(Some(Rc::clone(endpoint)));
    }

    /// The request is over.
    pub(crate) fn end(self, exchange: &Exchange, took: Duration) {
        let backend = exchange.backend.get();
        let caller = exchange.caller.get();
        let callee = self.callee.take().map(|state| Peer {
            addr: state.endpoint.addr,
            identity: state.endpoint.identity.clone(),
            workload: state.peer.borrow().1.clone(),
        });
        let named = |name: fn(&crate::backend::BackendState) -> &Arc<str>| backend.map(|b| Arc::clone(name(b)));
        self.queue.put(Finished {
            direction: exchange.direction,
            context: self.context,
            state: self.state,
            begun: self.begun,
            took,
            method: exchange.method.clone().unwrap_or_default(),
            authority: self.authority,
            path: self.path,
            version: self.version,
            grpc: exchange.is_grpc().then(|| exchange.grpc_status.get()),
            status: exchange.status.get(),
            fault: exchange.fault.get(),
            denied: exchange.denied.get(),
            caller: Peer {
                addr: exchange.client,
                identity: exchange.peer.clone(),
                workload: caller.and_then(|caller| caller.workload().cloned()),
            },
            callee,
            resent: exchange.retries(),
            service: caller.and_then(|c| c.service().cloned()).or(named(|b| &b.destination)).unwrap_or_default(),
            backend: named(|b| &b.name).unwrap_or_default(),
            split: backend.and_then(|b| b.split.clone()),
            grant: exchange.grant.get().cloned(),
        });
    }
}

/// What a client sends is kept up to a limit.
fn cut(text: &str) -> String {
    let mut end = text.len().min(TRACE_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
