//! An orderly end: say so, let what is under way finish, then cut what is left.

use std::{future::Future, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Tracks the work under way and ends it in two steps. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    graceful: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everything had finished by itself.
    Finished,
    /// At the deadline this many tasks were left, and were cut.
    Cut(usize),
}

impl Drain {
    /// Nothing is draining yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fires when the process wants to end: take no new work, finish what there is.
    pub fn graceful(&self) -> &CancellationToken {
        &self.graceful
    }

    /// Spawns tracked work on the current runtime. At the deadline it is dropped where it stands.
    pub fn spawn<F>(&self, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hard = self.hard.clone();
        self.tasks.spawn(async move {
            hard.run_until_cancelled(work).await;
        });
    }

    /// Tracks work that isn't spawned here, such as that of another runtime. It must watch the token of
    /// [`Drain::deadline`] itself.
    pub fn track<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.tasks.track_future(work)
    }

    /// Fires when the time to finish is over.
    pub fn deadline(&self) -> &CancellationToken {
        &self.hard
    }

    /// Work under way.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Is no work under way?
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Ends: signals, waits for at most `limit`, cuts the rest.
    pub async fn finish(&self, limit: Duration) -> Drained {
        self.graceful.cancel();
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_ok() {
            return Drained::Finished;
        }
        let left = self.tasks.len();
        self.hard.cancel();
        Drained::Cut(left)
    }
}

#[cfg(test)]
mod tests;
