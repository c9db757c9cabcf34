//! Connecting to an endpoint or to the next gateway, and what that tells of them.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    io,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use isthmus_core::{
    balance::{Load, Standing, choose},
    gateway::{Found, Routes},
};
use tokio::net::TcpStream;

use crate::{
    limits::{DIAL_TIME, DIAL_TRIES},
    metrics::Edge,
    refusal::Refusal,
    worker::Worker,
};

/// What the worker has seen of each address.
#[derive(Debug, Default)]
pub(crate) struct Health(RefCell<HashMap<SocketAddr, Load>>);

/// A connection that counts towards its endpoint's load, until it is dropped.
pub(crate) struct Busy {
    worker: Rc<Worker>,
    pub(crate) addr: SocketAddr,
}

impl Health {
    fn with<T>(&self, addr: SocketAddr, now: Duration, act: impl FnOnce(&mut Load) -> T) -> T {
        act(self.0.borrow_mut().entry(addr).or_insert_with(|| Load::new(now)))
    }

    fn standing(&self, addr: SocketAddr, now: Duration) -> Standing {
        self.with(addr, now, |load| load.standing(now))
    }

    /// Forgets the addresses that nothing leads to any more.
    pub(crate) fn keep(&self, routes: &Routes) {
        let targets = routes.exported.values().flatten().map(|target| target.addr);
        let gateways = routes.peers.values().flatten().flat_map(|egress| egress.gateways.iter().copied());
        let known: HashSet<SocketAddr> = targets.chain(gateways).collect();
        self.0.borrow_mut().retain(|addr, load| load.pending() > 0 || known.contains(addr));
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now = self.worker.now();
        self.worker.health.with(self.addr, now, |load| load.end(now, None));
    }
}

/// The n-th of those that a connection may go to.
fn nth(found: Found<'_>, index: usize) -> Option<SocketAddr> {
    match found {
        Found::One(addr) => Some(addr).filter(|_| index == 0),
        Found::Any(targets) => targets.get(index).map(|target| target.addr),
        Found::Gateways(gateways) => gateways.get(index).copied(),
    }
}

fn count(found: Found<'_>) -> usize {
    match found {
        Found::One(_) => 1,
        Found::Any(targets) => targets.len(),
        Found::Gateways(gateways) => gateways.len(),
    }
}

/// Connects to one of those found: the one that looks best, or when that fails another.
pub(crate) async fn dial(worker: &Rc<Worker>, found: Found<'_>, edge: &Edge) -> Result<(TcpStream, Busy), Refusal> {
    let mut tried = Vec::new();
    while tried.len() < DIAL_TRIES {
        let now = worker.now();
        let standing = |index| {
            let addr = nth(found, index).filter(|addr| !tried.contains(addr))?;
            Some(worker.health.standing(addr, now))
        };
        let chosen = choose(count(found), worker.chance(), standing).and_then(|index| nth(found, index));
        let Some(addr) = chosen else { break };
        tried.push(addr);
        match connect(worker, addr).await {
            Ok(connected) => return Ok(connected),
            Err(error) => {
                edge.dial_failures.inc();
                tracing::debug!(%addr, %error, "couldn't connect");
            }
        }
    }
    Err(Refusal::Unreached)
}

async fn connect(worker: &Rc<Worker>, addr: SocketAddr) -> io::Result<(TcpStream, Busy)> {
    let began = worker.now();
    worker.health.with(addr, began, Load::begin);
    let busy = Busy { worker: Rc::clone(worker), addr };
    let dialled = tokio::time::timeout(DIAL_TIME, TcpStream::connect(addr)).await;
    let now = worker.now();
    match dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(stream) => {
            // The dial is over; the connection begins.
            worker.health.with(addr, now, |load| {
                load.begin();
                load.end(now, Some(now.saturating_sub(began)));
            });
            Ok((stream, busy))
        }
        Err(error) => {
            worker.health.with(addr, now, |load| load.fail(now));
            Err(error)
        }
    }
}
