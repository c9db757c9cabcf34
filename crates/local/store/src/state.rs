//! The visible state: objects by resource, and each resource's recent events. No IO, no clock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::watch;

use crate::model::revision_of;
use crate::{Entry, Event, EventKind, Key, Limits, Listing, Stats, StoreError};

/// Everything a reader can see. It is changed only by [`State::apply`] and [`State::compact`].
pub(crate) struct State {
    revision: u64,
    /// Nothing is known of changes up to this revision: it is where the log file begins.
    floor: u64,
    objects: usize,
    resources: HashMap<Arc<str>, Collection>,
    /// Set when the last handle of the store is gone: watches end.
    closed: bool,
}

/// The objects of one resource.
struct Collection {
    /// By namespace (empty for cluster-scoped), then name.
    spaces: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Entry>>,
    log: VecDeque<Logged>,
    log_bytes: usize,
    /// The newest revision whose event is no longer in the log.
    dropped: u64,
    /// The revision of the newest event; a waiting watch is woken by it.
    changed: watch::Sender<u64>,
}

struct Logged {
    event: Event,
    bytes: usize,
}

/// An event, the size of its object as JSON, and (for a file, and not for a deletion) that JSON.
pub(crate) struct Change {
    pub(crate) event: Event,
    pub(crate) bytes: usize,
    pub(crate) json: Vec<u8>,
}

/// What [`State::apply`] leaves to do once the lock is released.
#[derive(Default)]
pub(crate) struct Aftermath {
    wake: Vec<(watch::Sender<u64>, u64)>,
    /// Evicted events: dropping large objects takes time, which must not be spent under the lock.
    _evicted: Vec<Event>,
}

impl Aftermath {
    pub(crate) fn finish(self) {
        for (sender, revision) in self.wake {
            sender.send_replace(revision);
        }
    }
}

/// What [`State::events`] found.
pub(crate) struct Found {
    pub(crate) events: Vec<Event>,
    /// Every event up to here is either in `events` or does not concern the asker.
    pub(crate) seen: u64,
    pub(crate) closed: bool,
}

impl State {
    pub(crate) fn new(revision: u64) -> Self {
        Self { revision, floor: revision, objects: 0, resources: HashMap::new(), closed: false }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn objects(&self) -> usize {
        self.objects
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Entry> {
        self.resources.get(&key.resource)?.spaces.get(key.space())?.get(&key.name)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.resources.values().flat_map(|collection| collection.spaces.values().flat_map(BTreeMap::values))
    }

    pub(crate) fn list(&self, resource: &str, namespace: Option<&str>) -> Listing {
        let collection = self.resources.get(resource);
        let entries = match (collection, namespace) {
            (None, _) => Vec::new(),
            (Some(c), Some(ns)) => c.spaces.get(ns).map(|names| names.values().cloned().collect()).unwrap_or_default(),
            (Some(c), None) => c.spaces.values().flat_map(BTreeMap::values).cloned().collect(),
        };
        Listing { revision: self.revision, entries }
    }

    /// The listing as it was: today's, with every later event undone from the newest to the oldest.
    pub(crate) fn list_at(&self, resource: &str, namespace: Option<&str>, at: u64) -> Result<Listing, StoreError> {
        if at > self.revision {
            return Err(StoreError::Future { current: self.revision });
        }
        self.check_kept(resource, at)?;
        let later: Vec<&Logged> = match self.resources.get(resource) {
            Some(c) => c.log.iter().rev().take_while(|l| l.event.revision > at).collect(),
            None => Vec::new(),
        };
        let mut listing = self.list(resource, namespace);
        listing.revision = at;
        if later.iter().all(|logged| !concerns(&logged.event, namespace)) {
            return Ok(listing);
        }
        let mut by_key: BTreeMap<Key, Entry> = listing.entries.into_iter().map(|e| (e.key.clone(), e)).collect();
        for Logged { event, .. } in later.into_iter().filter(|logged| concerns(&logged.event, namespace)) {
            match &event.previous {
                None => by_key.remove(&event.key),
                Some(object) => {
                    let entry = Entry { key: event.key.clone(), object: object.clone(), revision: revision_of(object) };
                    by_key.insert(event.key.clone(), entry)
                }
            };
        }
        Ok(Listing { revision: at, entries: by_key.into_values().collect() })
    }

    /// Up to `most` events after `from`, oldest first.
    pub(crate) fn events(
        &self,
        resource: &str,
        namespace: Option<&str>,
        from: u64,
        most: usize,
    ) -> Result<Found, StoreError> {
        self.check_kept(resource, from)?;
        let mut found = Found { events: Vec::new(), seen: from.max(self.revision), closed: self.closed };
        let Some(collection) = self.resources.get(resource) else { return Ok(found) };
        let start = collection.log.partition_point(|logged| logged.event.revision <= from);
        for Logged { event, .. } in collection.log.range(start..) {
            if !concerns(event, namespace) {
                continue;
            }
            if found.events.len() == most {
                found.seen = found.events.last().map_or(from, |last| last.revision);
                break;
            }
            found.events.push(event.clone());
        }
        Ok(found)
    }

    /// Is every event of this resource after `from` still here?
    pub(crate) fn check_kept(&self, resource: &str, from: u64) -> Result<(), StoreError> {
        let oldest = self.resources.get(resource).map_or(self.floor, |collection| collection.dropped);
        if from < oldest { Err(StoreError::Compacted { oldest }) } else { Ok(()) }
    }

    /// A receiver that wakes at this resource's next event.
    pub(crate) fn subscribe(&mut self, resource: &str) -> watch::Receiver<u64> {
        self.collection(resource).changed.subscribe()
    }

    /// Makes a batch of changes visible, all at once.
    pub(crate) fn apply(&mut self, changes: Vec<Change>, limits: &Limits) -> Aftermath {
        let mut aftermath = Aftermath::default();
        let mut touched: Vec<Arc<str>> = Vec::new();
        for Change { event, bytes, .. } in changes {
            let resource = event.key.resource.clone();
            self.revision = event.revision;
            match event.kind {
                EventKind::Added => self.objects = self.objects.saturating_add(1),
                EventKind::Deleted => self.objects = self.objects.saturating_sub(1),
                EventKind::Modified => {}
            }
            let collection = self.collection(&resource);
            match event.kind {
                EventKind::Deleted => collection.remove(&event.key),
                EventKind::Added | EventKind::Modified => collection.insert(Entry {
                    key: event.key.clone(),
                    object: event.object.clone(),
                    revision: event.revision,
                }),
            }
            collection.log_bytes = collection.log_bytes.saturating_add(bytes);
            collection.log.push_back(Logged { event, bytes });
            if !touched.contains(&resource) {
                touched.push(resource);
            }
        }
        let revision = self.revision;
        for resource in touched {
            let collection = self.collection(&resource);
            let evicted = collection.evict(limits.log_events.max(1), limits.log_bytes);
            aftermath._evicted.extend(evicted);
            aftermath.wake.push((collection.changed.clone(), revision));
        }
        aftermath
    }

    /// Puts an object in place without an event: used while a snapshot is read.
    pub(crate) fn restore(&mut self, entry: Entry) {
        self.objects = self.objects.saturating_add(1);
        let resource = entry.key.resource.clone();
        self.collection(&resource).insert(entry);
    }

    /// Forgets all but the newest `keep` events of each resource.
    pub(crate) fn compact(&mut self, keep: usize) -> Aftermath {
        let mut aftermath = Aftermath::default();
        for collection in self.resources.values_mut() {
            aftermath._evicted.extend(collection.evict(keep, usize::MAX));
        }
        aftermath
    }

    /// Ends all watches.
    pub(crate) fn close(&mut self) -> Aftermath {
        self.closed = true;
        let revision = self.revision;
        let wake = self.resources.values().map(|collection| (collection.changed.clone(), revision)).collect();
        Aftermath { wake, _evicted: Vec::new() }
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            revision: self.revision,
            objects: self.objects,
            log_events: self.resources.values().map(|collection| collection.log.len()).sum(),
            log_bytes: self.resources.values().map(|collection| collection.log_bytes).sum(),
            watches: 0,
        }
    }

    fn collection(&mut self, resource: &str) -> &mut Collection {
        let floor = self.floor;
        self.resources.entry(resource.into()).or_insert_with(|| Collection {
            spaces: BTreeMap::new(),
            log: VecDeque::new(),
            log_bytes: 0,
            dropped: floor,
            changed: watch::Sender::new(floor),
        })
    }
}

impl Collection {
    fn insert(&mut self, entry: Entry) {
        self.spaces.entry(entry.key.space().into()).or_default().insert(entry.key.name.clone(), entry);
    }

    fn remove(&mut self, key: &Key) {
        if let Some(names) = self.spaces.get_mut(key.space()) {
            names.remove(&key.name);
            if names.is_empty() {
                self.spaces.remove(key.space());
            }
        }
    }

    /// Takes the oldest events out until at most `events` are left, holding at most `bytes` (but at least one event).
    fn evict(&mut self, events: usize, bytes: usize) -> Vec<Event> {
        let mut evicted = Vec::new();
        while self.log.len() > events || (self.log_bytes > bytes && self.log.len() > 1) {
            let Some(oldest) = self.log.pop_front() else { break };
            self.log_bytes = self.log_bytes.saturating_sub(oldest.bytes);
            self.dropped = oldest.event.revision;
            evicted.push(oldest.event);
        }
        evicted
    }
}

fn concerns(event: &Event, namespace: Option<&str>) -> bool {
    namespace.is_none_or(|namespace| event.key.space() == namespace)
}
