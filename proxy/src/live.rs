//! The connections that are open, so that a policy change or a shutdown can reach them.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::IpAddr,
    rc::Rc,
    time::Duration,
};

use isthmus_core::{
    authorize::{Peer, could_be_allowed},
    deny::DenyCode,
    id::{SpiffeId, TrustDomain},
    inbound::InboundPolicy,
};
use prometheus::IntGauge;
use tokio::sync::Notify;

use crate::metrics::Direction;

/// What a connection is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go on.
    Run,
    /// Finish what is under way and take no more.
    Drain,
    /// Close at once.
    Cut,
}

/// One open connection.
pub(crate) struct Live {
    id: u64,
    direction: Direction,
    registry: Rc<Registry>,
    /// Who is at the other end, by mesh TLS.
    peer: RefCell<Option<SpiffeId>>,
    addr: IpAddr,
    /// Inbound: the container port.
    port: u16,
    http: Cell<bool>,
    /// Under authorization: an inbound connection whose protocol is known.
    judged: Cell<bool>,
    order: Cell<Order>,
    changed: Notify,
}

/// The open connections of one worker.
pub(crate) struct Registry {
    next: Cell<u64>,
    open: RefCell<HashMap<u64, std::rc::Weak<Live>>>,
    gauges: [IntGauge; 2],
    /// Told of every connection that is opened or closed.
    changed: Notify,
    leaving: Cell<bool>,
    draining: Cell<bool>,
}

impl Registry {
    pub(crate) fn new(inbound: IntGauge, outbound: IntGauge) -> Rc<Self> {
        Rc::new(Self {
            next: Cell::new(0),
            open: RefCell::default(),
            gauges: [inbound, outbound],
            changed: Notify::new(),
            leaving: Cell::new(false),
            draining: Cell::new(false),
        })
    }

    pub(crate) fn register(self: &Rc<Self>, direction: Direction, addr: IpAddr, port: u16) -> Rc<Live> {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        let live = Rc::new(Live {
            id,
            direction,
            registry: Rc::clone(self),
            peer: RefCell::default(),
            addr,
            port,
            http: Cell::new(false),
            judged: Cell::new(false),
            order: Cell::new(Order::Run),
            changed: Notify::new(),
        });
        self.open.borrow_mut().insert(id, Rc::downgrade(&live));
        self.gauge(direction).inc();
        self.changed.notify_waiters();
        if self.draining.get() {
            live.tell(Order::Drain);
        }
        live
    }

    fn gauge(&self, direction: Direction) -> &IntGauge {
        let [inbound, outbound] = &self.gauges;
        if direction == Direction::Inbound { inbound } else { outbound }
    }

    fn all(&self) -> Vec<Rc<Live>> {
        self.open.borrow().values().filter_map(std::rc::Weak::upgrade).collect()
    }

    /// The process is about to end: HTTP/1 clients are told so with their next answer. Connections stay open, because closing an
    /// idle one could meet a request that is on its way.
    pub(crate) fn leave(&self) {
        self.leaving.set(true);
    }

    /// Tells every connection to finish, those too that were accepted but aren't registered yet.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        self.all().iter().for_each(|live| live.tell(Order::Drain));
    }

    /// Tells every connection to close at once.
    pub(crate) fn cut(&self) {
        self.all().iter().for_each(|live| live.tell(Order::Cut));
    }

    /// Waits until no connection has been open for so long.
    pub(crate) async fn quiet(&self, quiet: Duration) {
        loop {
            let changed = self.changed.notified();
            let empty = self.open.borrow().is_empty();
            if !empty {
                changed.await;
            } else if tokio::time::timeout(quiet, changed).await.is_err() {
                return;
            }
        }
    }

    /// Closes the inbound connections that the policy has left nothing (smi.md §5 A34); the codes, one per connection.
    pub(crate) fn recheck(&self, policy: &InboundPolicy) -> Vec<DenyCode> {
        let lost = |live: &Rc<Live>| {
            let peer = live.peer.borrow();
            let peer = Peer { identity: peer.as_ref(), addr: live.addr };
            let code = could_be_allowed(policy, peer, live.port, live.http.get()).err()?;
            live.tell(Order::Cut);
            Some(code)
        };
        self.all().iter().filter(|live| live.judged.get()).filter_map(lost).collect()
    }

    /// Closes the connections with peers whose trust domain isn't trusted any more; how many.
    pub(crate) fn distrust(&self, trusted: impl Fn(&TrustDomain) -> bool) -> u32 {
        let foreign = |live: &&Rc<Live>| live.peer.borrow().as_ref().is_some_and(|id| !trusted(id.trust_domain()));
        let cut = self.all().iter().filter(foreign).map(|live| live.tell(Order::Cut)).count();
        u32::try_from(cut).unwrap_or(u32::MAX)
    }
}

impl Live {
    /// Puts an inbound connection under authorization, or says what it has become.
    pub(crate) fn judge(&self, http: bool) {
        self.http.set(http);
        self.judged.set(true);
    }

    /// Is the process about to end?
    pub(crate) fn is_leaving(&self) -> bool {
        self.registry.leaving.get()
    }

    pub(crate) fn set_peer(&self, peer: Option<SpiffeId>) {
        self.peer.replace(peer);
    }

    /// Closes the connection.
    pub(crate) fn close(&self) {
        self.tell(Order::Cut);
    }

    fn tell(&self, order: Order) {
        if self.order.get() != Order::Cut {
            self.order.set(order);
        }
        self.changed.notify_one();
    }

    /// Waits for the next order.
    pub(crate) async fn ordered(&self) -> Order {
        self.changed.notified().await;
        self.order.get()
    }

    /// Waits until the connection is to be cut.
    pub(crate) async fn cut(&self) {
        while self.order.get() != Order::Cut {
            self.changed.notified().await;
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.registry.open.borrow_mut().remove(&self.id);
        self.registry.gauge(self.direction).dec();
        self.registry.changed.notify_waiters();
    }
}
