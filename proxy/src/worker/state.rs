//! What a worker knows: policy, destinations, endpoints and open connections.

use std::{
    cell::{Cell, Ref, RefCell},
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, Instant},
};

use isthmus_core::{
    balance::Bar,
    destination::{DestinationKey, Endpoint},
    id::{ObjectName, SpiffeId},
    inbound::InboundPolicy,
    telemetry::settings::Settings,
};
use isthmus_identity::ClientCerts;
use rustls::{ServerConfig, pki_types::ServerName};

use super::{Door, Shared, Update};
use crate::{
    access_log::AccessLog,
    endpoint::{Alpn, EndpointState},
    inbound,
    limits::{DESTINATIONS, LOOKUP_TIME, POOL_IDLE_TIME},
    live::Registry,
    metrics::Direction,
    places::Places,
    route::{Destination, Route},
    server_name, spawn,
    tap::Taps,
    trace::Tracer,
    transport::Transport,
    watch::Watch,
};

/// Endpoints by address, expected identity and the name that they are called by, for as long as a backend lists them.
type Endpoints = HashMap<(SocketAddr, Option<SpiffeId>, Option<ServerName<'static>>), Weak<EndpointState>>;

/// A worker's own state.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    pub(crate) server_tls: Arc<ServerConfig>,
    started: Instant,
    chance: Cell<u64>,
    policy: RefCell<Option<Rc<InboundPolicy>>>,
    telemetry: RefCell<Arc<Settings>>,
    /// Who sees what passes.
    pub(crate) watch: Rc<Watch>,
    destinations: RefCell<HashMap<DestinationKey, Rc<Destination>>>,
    endpoints: RefCell<Endpoints>,
    /// Gateways of other meshes, for as long as an endpoint is behind them.
    gateways: RefCell<HashMap<SocketAddr, Weak<RefCell<Bar>>>>,
    /// The pod's own application, by address and port.
    apps: RefCell<HashMap<SocketAddr, Rc<EndpointState>>>,
    pub(crate) registry: Rc<Registry>,
    /// `None`: nothing is traced.
    pub(crate) tracer: Option<Tracer>,
    places: [Rc<Places>; 2],
    doors: Vec<(Direction, SocketAddr)>,
}

impl std::ops::Deref for Worker {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Worker {
    pub(super) fn new(index: usize, shared: Arc<Shared>, doors: &[Door]) -> Result<Self, rustls::Error> {
        let alpn = Alpn::ALL.map(Alpn::id);
        let gauges = Direction::Inbound;
        Ok(Self {
            server_tls: shared.tls.server_config(&alpn, ClientCerts::Required)?,
            started: Instant::now(),
            chance: Cell::new(seed(index)),
            policy: RefCell::default(),
            telemetry: RefCell::default(),
            watch: Rc::new(watch(index, &shared)),
            destinations: RefCell::default(),
            endpoints: RefCell::default(),
            gateways: RefCell::default(),
            apps: RefCell::default(),
            places: [(); 2].map(|()| Places::new(shared.config.bounds.connections)),
            registry: Registry::new(shared.metrics.open(gauges), shared.metrics.open(Direction::Outbound)),
            tracer: shared.config.trace.as_ref().zip(shared.spans.as_ref()).map(|(s, queue)| Tracer::new(s, queue)),
            doors: doors.iter().map(|d| (d.direction, d.addr)).collect(),
            shared,
        })
    }

    /// The places for connections of a direction.
    pub(super) fn places(&self, direction: Direction) -> &Rc<Places> {
        let [inbound, outbound] = &self.places;
        if direction == Direction::Inbound { inbound } else { outbound }
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

    /// The pod's own inbound policy, once it has come.
    pub(crate) fn policy(&self) -> Option<Rc<InboundPolicy>> {
        self.policy.borrow().clone()
    }

    /// What users want to see of the pod's traffic.
    pub(crate) fn telemetry(&self) -> Ref<'_, Settings> {
        Ref::map(self.telemetry.borrow(), |settings| &**settings)
    }

    /// The one state of an endpoint of a Service's port, or of a workload that is called directly. One of another mesh is called by the
    /// name that leads to it. A Service whose name doesn't fit into a server name is called by the workload's, or by none.
    pub(crate) fn endpoint(
        self: &Rc<Self>,
        endpoint: &Endpoint,
        service: Option<(&ObjectName, u16)>,
    ) -> Rc<EndpointState> {
        let mesh = &self.config.mesh;
        let name = endpoint.identity.as_ref().and_then(|_| {
            if let Some(remote) = &endpoint.remote {
                return server_name::of_remote(remote);
            }
            let service = service.and_then(|(service, port)| server_name::of_service(service, port, mesh));
            service.or_else(|| server_name::of_workload(&endpoint.workload, mesh))
        });
        let key = (endpoint.addr, endpoint.identity.clone(), name.clone());
        let mut all = self.endpoints.borrow_mut();
        if let Some(state) = all.get(&key).and_then(Weak::upgrade) {
            return state;
        }
        let state = Rc::new(EndpointState::new(endpoint.clone(), name, self));
        all.insert(key, Rc::downgrade(&state));
        state
    }

    /// What is known of a gateway.
    pub(crate) fn gateway(&self, addr: SocketAddr) -> Rc<RefCell<Bar>> {
        let mut all = self.gateways.borrow_mut();
        let known = all.get(&addr).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let new = Rc::default();
            all.insert(addr, Rc::downgrade(&new));
            new
        })
    }

    /// The application at one of the pod's own addresses.
    pub(crate) fn app(self: &Rc<Self>, addr: SocketAddr) -> Rc<EndpointState> {
        let endpoint = Endpoint::local(addr, None, "");
        let new = || Rc::new(EndpointState::new(endpoint, None, self));
        Rc::clone(self.apps.borrow_mut().entry(addr).or_insert_with(new))
    }

    /// Would a connection to this address come back to this proxy?
    pub(crate) fn is_own_listener(&self, addr: SocketAddr) -> bool {
        let own = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified() || self.config.pod_ips.contains(&ip);
        self.doors.iter().any(|(_, door)| {
            door.port() == addr.port() && (door.ip() == addr.ip() || (door.ip().is_unspecified() && own(addr.ip())))
        })
    }

    /// Is this one of the ports that the proxy itself has in this pod? What arrives for them isn't for the application: passed on,
    /// it would reach the explicit proxy from outside.
    pub(crate) fn is_own_port(&self, addr: SocketAddr) -> bool {
        let anywhere = |ip: IpAddr| ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST;
        self.is_own_listener(addr)
            || self.doors.iter().any(|(_, door)| door.port() == addr.port() && anywhere(door.ip()))
            || self.config.admin.is_some_and(|admin| admin.port() == addr.port())
    }

    /// The pod calling itself: its inbound side through a pipe, because the kernel's redirect doesn't see such traffic.
    pub(crate) fn own_inbound(self: &Rc<Self>, addr: SocketAddr) -> Option<Transport> {
        if !self.config.pod_ips.contains(&addr.ip()) {
            return None;
        }
        let (near, far) = tokio::io::duplex(64 << 10);
        let worker = Rc::clone(self);
        spawn::local(async move {
            inbound::serve(&worker, Transport::pipe(far), SocketAddr::new(addr.ip(), 0), Some(addr)).await;
        });
        Some(Transport::pipe(near))
    }

    /// What is behind a destination. It is asked for at its first use; when no answer comes it is passed through.
    pub(crate) async fn look_up(self: &Rc<Self>, key: DestinationKey) -> Rc<Destination> {
        let held = self.destinations.borrow().get(&key).cloned();
        let destination = match held {
            Some(held) => held,
            None if self.destinations.borrow().len() >= DESTINATIONS => return self.degrade(key, "too-many"),
            None => {
                let new = Rc::new(Destination::new(key.clone()));
                self.destinations.borrow_mut().insert(key.clone(), Rc::clone(&new));
                new
            }
        };
        destination.used.set(Instant::now());
        if destination.route().is_some() {
            return destination;
        }
        if self.lookups.send(key.clone()).await.is_err() {
            return self.degrade(key, "shut-down");
        }
        if self.reach.is_away() {
            return self.degrade(key, "controller-away");
        }
        let answered = async {
            while destination.route().is_none() {
                destination.known.notified().await;
            }
        };
        match tokio::time::timeout(LOOKUP_TIME, answered).await {
            Ok(()) => destination,
            Err(_) => self.degrade(key, "no-answer"),
        }
    }

    fn degrade(&self, key: DestinationKey, reason: &'static str) -> Rc<Destination> {
        tracing::warn!(host = &*key.host, port = key.port, reason, "destination unknown: passed through");
        self.metrics.degraded(reason);
        let destination = Destination::new(key);
        destination.set(Route::Unknown);
        Rc::new(destination)
    }

    /// Takes a change over; how many connections were cut because their trust domain isn't trusted any more.
    pub(super) fn apply(self: &Rc<Self>, update: Update) -> u32 {
        match update {
            Update::Policy(policy) => {
                for code in self.registry.recheck(&policy) {
                    self.metrics.revoked.count(code);
                }
                self.policy.replace(Some(Rc::new((*policy).clone())));
            }
            Update::Destination(key, model) => {
                let held = self.destinations.borrow().get(&key).cloned();
                let destination = held.unwrap_or_else(|| {
                    let new = Rc::new(Destination::new(key.clone()));
                    self.destinations.borrow_mut().insert(key, Rc::clone(&new));
                    new
                });
                let before = destination.route();
                destination.set(Route::build(self, &model, before.as_deref()));
            }
            Update::Forget(key) => {
                self.destinations.borrow_mut().remove(&key);
            }
            Update::Telemetry(settings) => {
                self.telemetry.replace(settings);
                self.watch.log.set(self.telemetry().access_log);
            }
            Update::Taps(taps) => self.watch.taps.set(&taps, self.config.workers, self.watch.now()),
            Update::Trust => return self.distrust(),
        }
        0
    }

    fn distrust(&self) -> u32 {
        let trusted = |domain: &isthmus_core::id::TrustDomain| self.tls.roots().trusts(domain);
        let mut cut = self.registry.distrust(trusted);
        for state in self.endpoints.borrow().values().filter_map(Weak::upgrade) {
            if state.endpoint.identity.as_ref().is_some_and(|id| !trusted(id.trust_domain())) {
                cut = cut.saturating_add(state.pool.cut());
            }
        }
        if cut > 0 {
            tracing::warn!(connections = cut, "closed: their trust domain isn't trusted any more");
        }
        cut
    }

    pub(super) fn usage(&self) -> Vec<(DestinationKey, Instant)> {
        let now = Instant::now();
        let used = |d: &Rc<Destination>| if Rc::strong_count(d) > 1 { now } else { d.used.get() };
        self.destinations.borrow().iter().map(|(key, d)| (key.clone(), used(d))).collect()
    }

    pub(super) fn sweep(&self) {
        self.sweep_at(Instant::now());
    }

    /// Gives up every idle connection: file descriptors are short.
    pub(super) fn shed(&self) {
        self.sweep_at(Instant::now() + POOL_IDLE_TIME);
    }

    fn sweep_at(&self, now: Instant) {
        self.apps.borrow_mut().retain(|_, app| {
            app.pool.sweep(now);
            Rc::strong_count(app) > 1 || !app.pool.is_empty()
        });
        self.endpoints.borrow_mut().retain(|_, state| match state.upgrade() {
            Some(state) => {
                state.pool.sweep(now);
                true
            }
            None => false,
        });
        self.gateways.borrow_mut().retain(|_, gateway| gateway.strong_count() > 0);
    }
}

/// Who sees what passes at a worker.
fn watch(index: usize, shared: &Shared) -> Watch {
    let log = AccessLog::new(shared.config.access_log.clone(), seed(index));
    Watch::new(log, Taps::new(shared.tapped.clone(), shared.metrics.tapped.clone()))
}

/// A seed that differs between workers and starts; never 0, which xorshift can't leave.
fn seed(index: usize) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(index) | 1
}
