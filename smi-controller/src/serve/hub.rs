//! The registry as tasks share it.

use std::time::Duration;

use isthmus_core::id::ObjectName;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::Instant,
};

use super::{registry::Registry, taps::Watchers};
use crate::{
    index::{KINDS, Pod, Update},
    metrics::Metrics,
};

/// Most changes that are taken in together.
const MAX_BATCH: usize = 4096;
/// Shortest time from one batch to the next. A change that comes alone is taken in at once; of a burst, what comes
/// within this time is compiled and sent as one.
const PACE: Duration = Duration::from_millis(5);
/// How long a proxy's pod may take to come to be known: the proxy can be faster than the watch.
const POD_WAIT: Duration = Duration::from_secs(5);

/// The state, and those who wait for it.
#[derive(Debug)]
pub(crate) struct Hub {
    registry: Mutex<Registry>,
    /// Counts batches.
    revision: watch::Sender<u64>,
    synced: watch::Sender<bool>,
    /// Some object's status may have changed.
    pub(crate) unsettled: Notify,
    /// What concerns other meshes has changed.
    pub(crate) outlook: Notify,
    /// Some split waits for its endpoints.
    pub(super) held: Notify,
    pub(super) watchers: Watchers,
    metrics: Metrics,
}

impl Hub {
    pub(crate) fn new(registry: Registry, metrics: Metrics) -> Self {
        Self {
            registry: Mutex::new(registry),
            revision: watch::Sender::new(0),
            synced: watch::Sender::new(false),
            unsettled: Notify::new(),
            outlook: Notify::new(),
            held: Notify::new(),
            watchers: Watchers::default(),
            metrics,
        }
    }

    /// The state, for a short, synchronous while. On release, whoever writes status is told if there is something.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Registry) -> T) -> T {
        let mut registry: MutexGuard<'_, Registry> = self.registry.lock();
        let result = act(&mut registry);
        let unsettled = registry.is_unsettled();
        let outlook = registry.has_other_outlook();
        let held = registry.is_look_due();
        self.metrics.count(registry.take_work());
        self.metrics.sessions.set(i64::try_from(registry.session_count()).unwrap_or(i64::MAX));
        drop(registry);
        if unsettled {
            self.unsettled.notify_one();
        }
        if outlook {
            self.outlook.notify_one();
        }
        if held {
            self.held.notify_one();
        }
        result
    }

    /// Takes changes in until the channel closes: all that are there at a time at once.
    pub(crate) async fn follow(&self, mut updates: mpsc::Receiver<Update>) {
        let mut synced = 0;
        let mut batch = Vec::new();
        let mut next = Instant::now();
        while updates.recv_many(&mut batch, MAX_BATCH).await > 0 {
            if Instant::now() < next {
                tokio::time::sleep_until(next).await;
                while batch.len() < MAX_BATCH
                    && let Ok(update) = updates.try_recv()
                {
                    batch.push(update);
                }
            }
            next = Instant::now() + PACE;
            synced += batch.iter().filter(|update| update.is_synced()).count();
            let count = batch.len();
            self.with(|registry| {
                registry.update(batch.drain(..));
                registry.settle(Instant::now());
            });
            tracing::debug!(changes = count, "took changes in");
            self.metrics.changes.inc_by(count as u64);
            self.metrics.batches.inc();
            self.revision.send_modify(|revision| *revision += 1);
            self.synced.send_if_modified(|done| !std::mem::replace(done, synced >= KINDS) && *done);
        }
    }

    /// Waits until everything that exists is known: what is compiled from a part could take rights or routes away.
    pub(crate) async fn synced(&self) {
        // The sender lives in `self`, so the channel can't close.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// The pod, when it is known or becomes so soon.
    pub(crate) async fn pod(&self, name: &ObjectName) -> Option<Pod> {
        let mut revision = self.revision.subscribe();
        let look = async {
            loop {
                if let Some(pod) = self.with(|registry| registry.index().pods.get(name).cloned()) {
                    return Some(pod);
                }
                revision.changed().await.ok()?;
            }
        };
        tokio::time::timeout(POD_WAIT, look).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests;
