//! What a process still waits for before it can do its work.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

/// The process's readiness: ready when nothing that was registered is still pending and it isn't stopping.
#[derive(Debug, Clone)]
pub struct Ready(Arc<watch::Sender<State>>);

#[derive(Debug, Default)]
struct State {
    pending: BTreeMap<&'static str, usize>,
    stopping: bool,
}

/// Something that is waited for, until it is dropped.
#[derive(Debug)]
#[must_use = "dropping the guard says that the thing is done"]
pub struct Pending {
    name: &'static str,
    ready: Ready,
}

impl Default for Ready {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::default())))
    }
}

impl Ready {
    /// Ready as long as nothing is registered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers something to wait for; dropping the guard completes it. Register before the admin server starts, so
    /// that `/ready` never answers too early.
    pub fn register(&self, name: &'static str) -> Pending {
        self.0.send_modify(|state| *state.pending.entry(name).or_default() += 1);
        Pending { name, ready: self.clone() }
    }

    /// Not ready from now on: the process takes no new work.
    pub fn stop(&self) {
        self.0.send_modify(|state| state.stopping = true);
    }

    /// What is waited for; empty when the process is ready.
    pub fn awaited(&self) -> Vec<&'static str> {
        self.0.borrow().awaited()
    }

    /// Is the process ready?
    pub fn is_ready(&self) -> bool {
        self.0.borrow().is_ready()
    }

    /// Waits until the process is ready.
    pub async fn wait(&self) {
        // The sender lives in `self`, so the channel can't close.
        let _ = self.0.subscribe().wait_for(State::is_ready).await;
    }
}

impl State {
    fn is_ready(&self) -> bool {
        self.pending.is_empty() && !self.stopping
    }

    fn awaited(&self) -> Vec<&'static str> {
        let stopping = self.stopping.then_some("shutdown");
        self.pending.keys().copied().chain(stopping).collect()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.ready.0.send_modify(|state| {
            if let Some(count) = state.pending.get_mut(self.name) {
                *count -= 1;
                if *count == 0 {
                    state.pending.remove(self.name);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests;
