//! A destination as a worker uses it: its backends with their endpoints, and the state of its split.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use isthmus_core::{
    broken::{self, Fault},
    destination::{Backend, Destination as Model, DestinationKey, ProtocolHint, ServiceRoute, Share},
    http_match::HttpRequest,
    split::Splitter,
};
use tokio::sync::Notify;

use crate::{
    backend::{BackendState, Kept},
    edges::Callees,
    worker::Worker,
};

/// A destination in use. What is behind it is swapped while connections hold it.
pub(crate) struct Destination {
    pub(crate) key: DestinationKey,
    route: RefCell<Option<Rc<Route>>>,
    /// Told when the first answer of the controller is there.
    pub(crate) known: Notify,
    pub(crate) used: Cell<Instant>,
    /// The server was seen to speak first: then nobody waits for the client to.
    pub(crate) server_first: Cell<bool>,
}

/// What is behind a destination.
pub(crate) enum Route {
    Service(Box<Service>),
    /// One pod, called by its own address.
    Workload(Rc<BackendState>),
    /// Nothing of the mesh: passed through.
    Unknown,
}

/// A Service at one port.
pub(crate) struct Service {
    model: ServiceRoute,
    root: Rc<BackendState>,
    split: Option<Split>,
}

/// Requests and connections are dealt apart: a connection that is opened to hear whether the server speaks first takes no
/// request's turn.
struct Split {
    http: RefCell<Splitter>,
    tcp: RefCell<Splitter>,
    backends: Vec<Rc<BackendState>>,
}

impl Destination {
    pub(crate) fn new(key: DestinationKey) -> Self {
        Self {
            key,
            route: RefCell::new(None),
            known: Notify::new(),
            used: Cell::new(Instant::now()),
            server_first: Cell::new(false),
        }
    }

    /// What is behind it now; `None` until the controller has said so.
    pub(crate) fn route(&self) -> Option<Rc<Route>> {
        self.route.borrow().clone()
    }

    pub(crate) fn set(&self, route: Route) {
        self.route.replace(Some(Rc::new(route)));
        self.known.notify_waiters();
    }
}

impl Route {
    /// Builds the worker's form of a destination. A split whose backends and weights are as before goes on dealing where
    /// it was: endpoints coming and going don't restart its cycle.
    pub(crate) fn build(worker: &Rc<Worker>, model: &Model, before: Option<&Self>) -> Self {
        match model {
            Model::Service(route) => {
                let before = before.and_then(|b| if let Self::Service(s) = b { Some(&**s) } else { None });
                Self::Service(Box::new(Service::build(worker, route, before)))
            }
            Model::Workload(endpoint) => {
                let name = Arc::clone(&endpoint.workload);
                // No Service was called.
                let edges = Callees::new(&worker.edges, Arc::default(), Arc::default(), None);
                let endpoint = worker.endpoint(endpoint, None);
                Self::Workload(Rc::new(BackendState::single(Arc::clone(&name), name, endpoint, edges)))
            }
            Model::Unknown => Self::Unknown,
        }
    }

    pub(crate) fn protocol(&self) -> ProtocolHint {
        match self {
            Self::Service(service) => service.model.protocol,
            Self::Workload(_) => ProtocolHint::Detect,
            Self::Unknown => ProtocolHint::Opaque,
        }
    }

    /// The backend for one HTTP request; `None` when nothing is known of the destination.
    pub(crate) fn backend_for(&self, request: HttpRequest<'_>) -> Option<Rc<BackendState>> {
        match self {
            Self::Service(service) => Some(service.deal(service.model.share_of(request), |split| &split.http)),
            Self::Workload(backend) => Some(Rc::clone(backend)),
            Self::Unknown => None,
        }
    }

    /// The backend for one TCP connection.
    pub(crate) fn backend_for_tcp(&self) -> Option<Rc<BackendState>> {
        match self {
            Self::Service(service) => Some(service.deal(service.model.share_of_tcp(), |split| &split.tcp)),
            Self::Workload(backend) => Some(Rc::clone(backend)),
            Self::Unknown => None,
        }
    }
}

impl Service {
    fn build(worker: &Rc<Worker>, model: &ServiceRoute, before: Option<&Self>) -> Self {
        let stale = broken::is(Fault::StaleEndpoints).then(|| stale(model, before));
        let model = stale.as_ref().unwrap_or(model);
        let root_name: Arc<str> = model.root.service.to_string().into();
        let split = model.split.as_ref().map(|split| {
            let name: Arc<str> = split.name.to_string().into();
            let held = before.and_then(|b| Some((b.model.split.as_ref()?, b.split.as_ref()?)));
            let weights = |s: &isthmus_core::destination::Split| -> Vec<_> {
                s.backends.iter().map(|(b, weight)| (b.service.clone(), *weight)).collect()
            };
            let (http, tcp) = match held {
                Some((old, state)) if old.name == split.name && weights(old) == weights(split) => {
                    (state.http.clone(), state.tcp.clone())
                }
                _ => {
                    let new = RefCell::new(Splitter::new(split.backends.iter().map(|(_, weight)| *weight)));
                    (new.clone(), new)
                }
            };
            let backend = |(b, _): &(Backend, u32)| state_of(worker, b, &root_name, Some(&name), before);
            Split { http, tcp, backends: split.backends.iter().map(backend).collect() }
        });
        Self { root: state_of(worker, &model.root, &root_name, None, before), split, model: model.clone() }
    }

    /// What is kept of a backend, as long as the Service has it.
    fn kept(&self, name: &str) -> Option<Kept> {
        let backends = self.split.iter().flat_map(|split| &split.backends).chain([&self.root]);
        backends.into_iter().find(|b| &*b.name == name).map(|b| b.kept.clone())
    }

    fn deal(&self, share: Share, dealer: impl Fn(&Split) -> &RefCell<Splitter>) -> Rc<BackendState> {
        let dealt = match (share, &self.split) {
            (Share::Split, Some(split)) => dealer(split).borrow_mut().pick().and_then(|i| split.backends.get(i)),
            _ => None,
        };
        Rc::clone(dealt.unwrap_or(&self.root))
    }
}

/// The destination with the endpoints that its Services had at first: for a mesh that is broken on purpose.
fn stale(model: &ServiceRoute, before: Option<&Service>) -> ServiceRoute {
    let mut model = model.clone();
    let known = before.map(|b| &b.model);
    let known: Vec<&Backend> = known
        .into_iter()
        .flat_map(|m| m.split.iter().flat_map(|s| s.backends.iter().map(|(b, _)| b)).chain([&m.root]))
        .collect();
    let shares = model.split.iter_mut().flat_map(|split| split.backends.iter_mut().map(|(backend, _)| backend));
    for backend in shares.chain([&mut model.root]) {
        if let Some(first) = known.iter().find(|k| k.service == backend.service && !k.endpoints.is_empty()) {
            backend.endpoints = Arc::clone(&first.endpoints);
        }
    }
    model
}

fn state_of(
    worker: &Rc<Worker>,
    backend: &Backend,
    root: &Arc<str>,
    split: Option<&Arc<str>>,
    before: Option<&Service>,
) -> Rc<BackendState> {
    let name: Arc<str> = backend.service.to_string().into();
    let edges = Callees::new(&worker.edges, Arc::clone(root), Arc::clone(&name), split.cloned());
    let kept = before.and_then(|b| b.kept(&name)).unwrap_or_default();
    let service = Some((&backend.service, backend.port));
    let endpoints = backend.endpoints.iter().map(|e| (e.clone(), worker.endpoint(e, service)));
    Rc::new(BackendState::new(Arc::clone(root), name, split.cloned(), edges, kept, endpoints))
}
