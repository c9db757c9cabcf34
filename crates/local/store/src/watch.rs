//! A watch: every event after a revision, in order, once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::state::State;
use crate::{Event, StoreError};

/// Events fetched under one lock. A slow watch holds no more than these; the rest wait in the store's own log.
/// Small in tests, so that they often meet its edge.
const BATCH: usize = if cfg!(test) { 3 } else { 128 };

/// A stream of the changes of one resource (and, if asked for, one namespace).
///
/// It reads the store's log at its own pace. If the log has moved on past it, it says [`StoreError::Compacted`] once and
/// ends: list again and watch from there. It also ends when the store itself is gone.
pub struct Watch {
    state: Arc<RwLock<State>>,
    resource: Arc<str>,
    namespace: Option<Arc<str>>,
    /// Every event up to here has been fetched.
    fetched: u64,
    buffer: VecDeque<Event>,
    changed: watch::Receiver<u64>,
    ended: bool,
    _slot: Slot,
}

impl Watch {
    pub(crate) fn new(
        state: Arc<RwLock<State>>,
        changed: watch::Receiver<u64>,
        (resource, namespace): (&str, Option<&str>),
        from: u64,
        slot: Slot,
    ) -> Self {
        let (resource, namespace) = (resource.into(), namespace.map(Into::into));
        Self { state, resource, namespace, fetched: from, buffer: VecDeque::new(), changed, ended: false, _slot: slot }
    }

    /// The next event, waiting for it; an error is the last thing that it says. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Event, StoreError>> {
        loop {
            if let Some(event) = self.buffer.pop_front() {
                return Some(Ok(event));
            }
            if self.ended {
                return None;
            }
            // Marked as seen before looking, so that a change made while looking wakes the wait below.
            self.changed.borrow_and_update();
            if let Err(error) = self.fetch() {
                self.ended = true;
                return Some(Err(error));
            }
            if self.buffer.is_empty() && !self.ended && self.changed.changed().await.is_err() {
                self.ended = true;
            }
        }
    }

    /// The next event if there is one now; none also when the watch has ended or has fallen behind, which
    /// [`Watch::next`] then tells.
    pub fn try_next(&mut self) -> Option<Event> {
        if self.buffer.is_empty() && !self.ended {
            self.fetch().ok()?;
        }
        self.buffer.pop_front()
    }

    /// The revision up to which every event has been handed out, for a bookmark. It moves on with the store's revision
    /// also while other resources change and this one does not.
    pub fn seen(&mut self) -> u64 {
        if self.buffer.is_empty() && !self.ended {
            // An error (fallen behind) changes nothing here: `next` tells it.
            let _ = self.fetch();
        }
        self.buffer.front().map_or(self.fetched, |event| event.revision.saturating_sub(1))
    }

    fn fetch(&mut self) -> Result<(), StoreError> {
        let found = self.state.read().events(&self.resource, self.namespace.as_deref(), self.fetched, BATCH)?;
        self.fetched = found.seen;
        self.ended |= found.closed && found.events.is_empty();
        self.buffer.extend(found.events);
        Ok(())
    }
}

/// One of the watches that may be open; given back when dropped.
pub(crate) struct Slot(Arc<AtomicUsize>);

impl Slot {
    pub(crate) fn take(open: &Arc<AtomicUsize>, limit: usize) -> Result<Self, StoreError> {
        open.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < limit).then_some(n.saturating_add(1)))
            .map_err(|_| StoreError::TooManyWatches { limit })?;
        Ok(Self(open.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
