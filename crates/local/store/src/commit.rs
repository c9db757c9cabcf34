//! Group commit: writers queue up, the first one in line writes for all that wait.
//!
//! A batch is decided against the visible state plus the batch's own earlier writes, brought to disk as one record, and
//! only then made visible. So readers never wait for the disk, and never see what a crash could take back.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde_json::Value;

use crate::journal::Journal;
use crate::model::set_resource_version;
use crate::state::{Change, State};
use crate::{Entry, Event, EventKind, Key, Limits, StoreError};

/// A write that waits for its turn.
pub(crate) enum Write {
    Create { key: Key, body: Body },
    Update { key: Key, expected: u64, body: Body },
    Delete { key: Key, expected: Option<u64> },
}

/// An object without its `resourceVersion`, its size as JSON, and (when there is a file to write it to) that JSON.
pub(crate) struct Body {
    pub(crate) object: Value,
    pub(crate) bytes: usize,
    pub(crate) json: Vec<u8>,
}

type Outcome = Result<Entry, StoreError>;

/// A write, and where its writer looks for the outcome.
type Waiting = (Write, Arc<Mutex<Option<Outcome>>>);

/// The queue of waiting writers, and the right to write, which is the lock of the journal.
pub(crate) struct Committer {
    queue: Mutex<Vec<Waiting>>,
    turn: Mutex<Option<Journal>>,
}

impl Committer {
    pub(crate) fn new(journal: Option<Journal>) -> Self {
        Self { queue: Mutex::default(), turn: Mutex::new(journal) }
    }

    /// Does one write, together with those that wait at the same time. Blocks until it is decided (and on disk).
    pub(crate) fn write(&self, write: Write, state: &RwLock<State>, limits: &Limits) -> Outcome {
        let outcome = Arc::new(Mutex::new(None));
        self.queue.lock().push((write, outcome.clone()));
        loop {
            let mut turn = self.turn.lock();
            if let Some(outcome) = outcome.lock().take() {
                return outcome;
            }
            let (writes, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut *self.queue.lock()).into_iter().unzip();
            let outcomes = commit(writes, turn.as_mut(), state, limits);
            for (slot, outcome) in waiting.into_iter().zip(outcomes) {
                *slot.lock() = Some(outcome);
            }
        }
    }
}

/// Decides a batch, brings it to disk, makes it visible. The caller has the turn.
fn commit(writes: Vec<Write>, journal: Option<&mut Journal>, state: &RwLock<State>, limits: &Limits) -> Vec<Outcome> {
    let Decided { changes, outcomes } = decide(writes, &state.read(), limits);
    if changes.is_empty() {
        return outcomes;
    }
    let Some(journal) = journal else {
        make_visible(changes, state, limits);
        return outcomes;
    };
    if let Err(error) = journal.append(&changes) {
        return outcomes.into_iter().map(|outcome| outcome.and(Err(error.clone()))).collect();
    }
    make_visible(changes, state, limits);
    if journal.wants_rotation() {
        let (revision, entries): (_, Vec<_>) = {
            let state = state.read();
            (state.revision(), state.entries().cloned().collect())
        };
        journal.rotate(revision, &entries, limits);
    }
    outcomes
}

fn make_visible(changes: Vec<Change>, state: &RwLock<State>, limits: &Limits) {
    let aftermath = state.write().apply(changes, limits);
    aftermath.finish();
}

/// What a batch comes to.
struct Decided {
    changes: Vec<Change>,
    outcomes: Vec<Outcome>,
}

/// The pure part: which of the writes hold, and what they change. A later write sees what an earlier one did.
fn decide(writes: Vec<Write>, state: &State, limits: &Limits) -> Decided {
    let mut batch = Batch { state, limits, overlay: HashMap::new(), changes: Vec::new(), objects: state.objects() };
    let outcomes = writes.into_iter().map(|write| batch.one(write)).collect();
    Decided { changes: batch.changes, outcomes }
}

struct Batch<'a> {
    state: &'a State,
    limits: &'a Limits,
    overlay: HashMap<Key, Option<Entry>>,
    changes: Vec<Change>,
    objects: usize,
}

impl Batch<'_> {
    fn one(&mut self, write: Write) -> Outcome {
        match write {
            Write::Create { key, body } => self.create(key, body),
            Write::Update { key, expected, body } => self.update(key, expected, body),
            Write::Delete { key, expected } => self.delete(key, expected),
        }
    }

    fn create(&mut self, key: Key, body: Body) -> Outcome {
        if self.current(&key).is_some() {
            return Err(StoreError::Exists { key });
        }
        if self.objects >= self.limits.objects {
            return Err(StoreError::TooManyObjects { limit: self.limits.objects });
        }
        self.objects = self.objects.saturating_add(1);
        self.change(EventKind::Added, key, body, None)
    }

    fn update(&mut self, key: Key, expected: u64, mut body: Body) -> Outcome {
        let current = self.expect(&key, Some(expected))?;
        set_resource_version(&mut body.object, current.revision)?;
        if body.object == *current.object {
            return Ok(current);
        }
        self.change(EventKind::Modified, key, body, Some(current.object))
    }

    fn delete(&mut self, key: Key, expected: Option<u64>) -> Outcome {
        let current = self.expect(&key, expected)?;
        self.objects = self.objects.saturating_sub(1);
        let last = Body { object: Value::clone(&current.object), bytes: 0, json: Vec::new() };
        self.change(EventKind::Deleted, key, last, Some(current.object))
    }

    fn change(
        &mut self,
        kind: EventKind,
        key: Key,
        Body { mut object, bytes, json }: Body,
        previous: Option<Arc<Value>>,
    ) -> Outcome {
        let revision = self.changes.last().map_or(self.state.revision(), |c| c.event.revision).saturating_add(1);
        set_resource_version(&mut object, revision)?;
        let object = Arc::new(object);
        let entry = Entry { key: key.clone(), object: object.clone(), revision };
        self.overlay.insert(key.clone(), (kind != EventKind::Deleted).then(|| entry.clone()));
        self.changes.push(Change { event: Event { kind, key, object, previous, revision }, bytes, json });
        Ok(entry)
    }

    fn current(&self, key: &Key) -> Option<&Entry> {
        match self.overlay.get(key) {
            Some(written) => written.as_ref(),
            None => self.state.get(key),
        }
    }

    fn expect(&self, key: &Key, expected: Option<u64>) -> Outcome {
        let current = self.current(key).ok_or_else(|| StoreError::NotFound { key: key.clone() })?;
        match expected {
            Some(expected) if expected != current.revision => {
                Err(StoreError::Conflict { key: key.clone(), current: current.revision })
            }
            _ => Ok(current.clone()),
        }
    }
}
