//! Whose turn it is to make a connection: a burst would else make as many handshakes at once, which slow down each other and the
//! requests that free connections.

use std::future::pending;

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::{Instant, sleep_until},
};

use crate::limits::DIALS;

/// The turns at one endpoint.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Semaphore,
    /// Told when a connection becomes idle.
    freed: Notify,
}

/// What a request that waits is to do.
#[derive(Debug)]
pub(crate) enum Next<'a> {
    /// Make a connection. The turn is kept meanwhile; there is none for a request that has waited long enough.
    Dial(Option<SemaphorePermit<'a>>),
    /// See whether a connection is idle now; if another request was faster, wait on.
    Look,
}

impl Default for Turns {
    fn default() -> Self {
        Self { free: Semaphore::new(DIALS), freed: Notify::new() }
    }
}

impl Turns {
    /// A connection has become idle.
    pub(crate) fn freed(&self) {
        self.freed.notify_one();
    }

    /// Waits for a turn or, where one that was used before will do, for an idle connection; no longer than until that time: with a
    /// long way to the endpoint the turns of a burst would come too late.
    pub(crate) async fn next(&self, until: Instant, reuse: bool) -> Next<'_> {
        let freed = async {
            match reuse {
                true => self.freed.notified().await,
                false => pending().await,
            }
        };
        tokio::select! {
            biased;
            turn = self.free.acquire() => Next::Dial(turn.ok()),
            () = freed => Next::Look,
            () = sleep_until(until) => Next::Dial(None),
        }
    }
}

#[cfg(test)]
mod tests;
