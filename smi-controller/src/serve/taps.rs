//! What taps have seen, on its way to those who watch.

use std::{collections::BTreeMap, sync::Arc};

use isthmus_api::control::v1::Tapped;
use isthmus_core::id::ObjectName;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::{Hub, resource::Content, resource::Key};
use crate::index::{TapAt, Update};

/// Most taps at a time, of all users together.
pub(crate) const MAX_TAPS: usize = 50;
/// Most records that wait for somebody who reads slowly.
const QUEUE: usize = 1000;
/// Most bytes of a record.
const MAX_RECORD: usize = 16 << 10;

/// One thing that a tap has seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sight {
    /// The pod that has told it.
    pub(crate) pod: ObjectName,
    /// A record, as docs/access-log.md has it.
    pub(crate) record: Map<String, Value>,
    /// How many weren't told before it, because they were too many.
    pub(crate) missed: u64,
}

/// Those who watch.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<BTreeMap<u64, Watcher>>);

#[derive(Debug)]
struct Watcher {
    sights: mpsc::Sender<Sight>,
    /// What didn't fit, by nobody's fault but the reader's.
    missed: u64,
}

/// There are too many taps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {MAX_TAPS} taps already: wait until one has ended")]
pub(crate) struct TooManyTaps;

/// A tap that goes on until this is dropped.
#[derive(Debug)]
pub(crate) struct Tapping {
    hub: Arc<Hub>,
    id: u64,
    pub(crate) sights: mpsc::Receiver<Sight>,
}

impl Drop for Tapping {
    fn drop(&mut self) {
        self.hub.watchers.0.lock().remove(&self.id);
        self.hub.with(|registry| registry.update([Update::Tap(self.id, None)]));
    }
}

impl Hub {
    /// Begins a tap at the proxies that are connected here.
    pub(crate) fn tap(self: &Arc<Self>, at: TapAt) -> Result<Tapping, TooManyTaps> {
        let (sender, sights) = mpsc::channel(QUEUE);
        let id = at.tap.id;
        {
            let mut watchers = self.watchers.0.lock();
            if watchers.len() >= MAX_TAPS || watchers.contains_key(&id) {
                return Err(TooManyTaps);
            }
            watchers.insert(id, Watcher { sights: sender, missed: 0 });
        }
        self.with(|registry| registry.update([Update::Tap(id, Some(at))]));
        Ok(Tapping { hub: self.clone(), id, sights })
    }

    /// The taps that the proxy of a pod is told of, if it has asked.
    #[cfg(test)]
    pub(crate) fn taps_at(&self, pod: &ObjectName) -> Vec<u64> {
        let content = self.with(|registry| registry.content(&Key::Taps(pod.clone())));
        match content.as_deref() {
            Some(Content::Taps(taps)) => taps.iter().map(|tap| tap.id).collect(),
            _ => Vec::new(),
        }
    }

    /// A proxy tells what a tap has seen. It counts only of taps that are at its pod, and only what is a record.
    pub(crate) fn tapped(&self, pod: &ObjectName, message: Tapped) {
        let is_at =
            |content: &Content| matches!(content, Content::Taps(taps) if taps.iter().any(|tap| tap.id == message.tap));
        let allowed =
            self.with(|registry| registry.content(&Key::Taps(pod.clone())).is_some_and(|content| is_at(&content)));
        if !allowed {
            return;
        }
        let mut watchers = self.watchers.0.lock();
        let Some(watcher) = watchers.get_mut(&message.tap) else { return };
        watcher.missed = watcher.missed.saturating_add(message.missed);
        let records = message.records.iter().filter(|bytes| bytes.len() <= MAX_RECORD);
        for record in records.filter_map(|bytes| serde_json::from_slice(bytes).ok()) {
            watcher.tell(pod.clone(), record);
        }
    }

    /// What a tap has seen at the proxies of another replica.
    pub(crate) fn sighted(&self, tap: u64, sight: Sight) {
        let mut watchers = self.watchers.0.lock();
        let Some(watcher) = watchers.get_mut(&tap) else { return };
        watcher.missed = watcher.missed.saturating_add(sight.missed);
        watcher.tell(sight.pod, sight.record);
    }
}

impl Watcher {
    fn tell(&mut self, pod: ObjectName, record: Map<String, Value>) {
        match self.sights.try_send(Sight { pod, record, missed: self.missed }) {
            Ok(()) => self.missed = 0,
            Err(_) => self.missed = self.missed.saturating_add(1),
        }
    }
}
