//! What a worker knows: the routes, who may come in, what is open, and how endpoints do.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use isthmus_core::{federation::RemoteName, gateway::Routes};
use isthmus_proxy::places::Place;

use super::Shared;
use crate::{
    admission::Admission,
    dial::Health,
    limits::SERVICES,
    live::Registry,
    metrics::{Direction, Edge},
    refusal::Refusal,
    relay::Means,
};

/// Counters by where connections go.
type Edges = HashMap<(Direction, RemoteName), Rc<Edge>>;

/// A worker's own state.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    started: Instant,
    chance: Cell<u64>,
    routes: RefCell<Option<Arc<Routes>>>,
    pub(crate) admission: Admission,
    pub(crate) registry: Rc<Registry>,
    pub(crate) health: Health,
    pub(crate) means: Means,
    edges: RefCell<Edges>,
}

impl std::ops::Deref for Worker {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Worker {
    pub(super) fn new(index: usize, shared: Arc<Shared>) -> Self {
        Self {
            started: Instant::now(),
            chance: Cell::new(seed(index)),
            routes: RefCell::default(),
            admission: Admission::new(shared.config.bounds),
            registry: Rc::default(),
            health: Health::default(),
            means: Means::new(),
            edges: RefCell::default(),
            shared,
        }
    }

    /// The time since the worker's start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// 64 random bits (xorshift): good enough to spread load, and never waits.
    pub(crate) fn chance(&self) -> u64 {
        let mut x = self.chance.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.chance.set(x);
        x
    }

    /// What may be relayed, once it is known.
    pub(crate) fn routes(&self) -> Option<Arc<Routes>> {
        self.routes.borrow().clone()
    }

    /// Is the source a balancer, whose word on its clients is taken?
    pub(crate) fn is_balancer(&self, source: IpAddr) -> bool {
        self.config.balancers.iter().any(|cidr| cidr.contains(source))
    }

    /// May the source not leave for another mesh by this gateway?
    pub(crate) fn is_outsider(&self, source: IpAddr) -> bool {
        let inside = &self.config.egress_from;
        !inside.is_empty() && !inside.iter().any(|cidr| cidr.contains(source))
    }

    /// Lets a connection in. Those of a balancer are counted against its clients' rates, once it has named them.
    pub(super) fn admit(&self, source: IpAddr) -> Result<Place, Refusal> {
        if !self.is_balancer(source) {
            self.admission.arrive(source, self.now())?;
        }
        self.admission.place(source)
    }

    /// The counters of a service.
    pub(crate) fn edge(&self, direction: Direction, name: &RemoteName) -> Rc<Edge> {
        let mut edges = self.edges.borrow_mut();
        let key = (direction, RemoteName { token: None, ..name.clone() });
        if let Some(edge) = edges.get(&key) {
            return Rc::clone(edge);
        }
        if edges.len() >= SERVICES {
            return Rc::new(self.metrics.others(direction));
        }
        let edge = Rc::new(self.metrics.edge(direction, name));
        edges.insert(key, Rc::clone(&edge));
        edge
    }

    /// Takes routes over, and cuts what they don't allow any more; how many connections.
    pub(super) fn apply(&self, routes: Arc<Routes>) -> u32 {
        let cut = self.registry.recheck(&routes);
        self.health.keep(&routes);
        self.routes.replace(Some(routes));
        cut
    }

    pub(super) fn sweep(&self, now: Instant) {
        self.registry.sweep(now, self.config.bounds.idle);
        self.admission.sweep(self.now());
    }
}

/// A seed that differs between workers and starts; never 0, which xorshift can't leave.
fn seed(index: usize) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(index) | 1
}
