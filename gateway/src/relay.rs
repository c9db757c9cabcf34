//! Bytes from one side of a connection to the other, both ways, as they are.

mod pipes;
mod pump;

use std::{
    cell::{Cell, RefCell},
    io,
};

use prometheus::IntCounter;
use tokio::{net::TcpStream, sync::Notify};

use self::{pipes::Pipes, pump::Pump};
use crate::{limits::COPY_BYTES, live::Live};

/// What the relays of one worker share.
#[derive(Debug)]
pub(crate) struct Means {
    /// For what is copied. It is filled and emptied in one go, so that a connection at rest holds no memory.
    scratch: RefCell<Box<[u8]>>,
    pipes: Pipes,
}

impl Means {
    pub(crate) fn new() -> Self {
        Self { scratch: RefCell::new(vec![0; COPY_BYTES].into()), pipes: Pipes::default() }
    }
}

/// What is kept of a relay while it goes on.
#[derive(Clone, Copy)]
pub(crate) struct Tally<'a> {
    pub(crate) live: &'a Live,
    /// Bytes of the client.
    pub(crate) received: &'a IntCounter,
    /// Bytes for the client.
    pub(crate) sent: &'a IntCounter,
}

/// Relays until both sides have ended; each side's end is passed on alone (half-close). An error is a side's reset: the other
/// mustn't take it for a regular end.
pub(crate) async fn relay(
    means: &Means,
    client: &mut TcpStream,
    server: &mut TcpStream,
    tally: Tally<'_>,
) -> io::Result<()> {
    let ends = Ends { open: Cell::new(2), all: Notify::new() };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    // The client's socket has its listener's options.
    let there = Pump::new(means, from_client, to_server, tally.live, tally.received).run(&ends);
    let back = Pump::new(means, from_server, to_client, tally.live, tally.sent).probing().run(&ends);
    tokio::try_join!(there, back).map(|_| ())
}

/// How many directions are open.
struct Ends {
    open: Cell<u8>,
    all: Notify,
}

impl Ends {
    /// Is only one direction open?
    fn is_last(&self) -> bool {
        self.open.get() <= 1
    }

    /// One direction has ended: waits until both have.
    async fn one(&self) {
        let all = self.all.notified();
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() == 0 {
            self.all.notify_waiters();
        }
        all.await;
    }
}

#[cfg(test)]
mod tests;
