//! The handle that everybody holds.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use serde_json::Value;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::commit::{Body, Committer, Write};
use crate::journal::{Cut, Journal, Opened};
use crate::model::strip_resource_version;
use crate::state::State;
use crate::watch::Slot;
use crate::{Entry, Key, Limits, Listing, Stats, StoreError, Watch};

/// A handle to the store; clones share it. With a data directory a write returns once it is on disk, which blocks the
/// calling thread for that long; reads never wait for the disk. On a worker of a multi-threaded tokio runtime the other
/// tasks of that worker go on meanwhile (`block_in_place`, so not from within a `LocalSet`).
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    cut: Option<Cut>,
    durable: bool,
    /// Shared with the watches, which outlive neither a write nor the files.
    state: Arc<RwLock<State>>,
    committer: Committer,
    watches: Arc<AtomicUsize>,
}

impl Store {
    /// Opens the store in `dir` (made if missing), or an empty one in memory.
    ///
    /// # Errors
    /// When the directory is in use, damaged, of another format or not readable; see [`StoreError`].
    pub fn open(dir: Option<&Path>, limits: Limits) -> Result<Self, StoreError> {
        let (journal, state, cut) = match dir {
            None => (None, State::new(0), None),
            Some(dir) => {
                let Opened { journal, state, cut } = Journal::open(dir, &limits)?;
                (Some(journal), state, cut)
            }
        };
        let shared = Shared {
            limits,
            cut,
            durable: journal.is_some(),
            state: Arc::new(RwLock::new(state)),
            committer: Committer::new(journal),
            watches: Arc::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What had to be cut from the end of the log when it was opened, if the last process died in the middle of a write.
    pub fn cut(&self) -> Option<&Cut> {
        self.shared.cut.as_ref()
    }

    /// The revision of the newest write; 0 in an empty store.
    pub fn revision(&self) -> u64 {
        self.shared.state.read().revision()
    }

    /// One object as it is now.
    pub fn get(&self, key: &Key) -> Option<Entry> {
        self.shared.state.read().get(key).cloned()
    }

    /// The objects of a resource, of one namespace or of all, ordered by namespace and name.
    pub fn list(&self, resource: &str, namespace: Option<&str>) -> Listing {
        self.shared.state.read().list(resource, namespace)
    }

    /// The same as it was at `revision`.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] when the history does not reach back so far, [`StoreError::Future`] when that revision
    /// has not come yet.
    pub fn list_at(&self, resource: &str, namespace: Option<&str>, revision: u64) -> Result<Listing, StoreError> {
        self.shared.state.read().list_at(resource, namespace, revision)
    }

    /// Adds an object and sets its `metadata.resourceVersion`.
    ///
    /// # Errors
    /// [`StoreError::Exists`], a limit, or the disk's error.
    pub fn create(&self, key: Key, object: Value) -> Result<Entry, StoreError> {
        let body = self.body(object)?;
        self.write(Write::Create { key, body })
    }

    /// Replaces an object that is at revision `expected`. If nothing but `resourceVersion` differs, the present entry is
    /// returned, the revision stays and no event is made.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`], a limit, or the disk's error.
    pub fn update(&self, key: &Key, expected: u64, object: Value) -> Result<Entry, StoreError> {
        let body = self.body(object)?;
        self.write(Write::Update { key: key.clone(), expected, body })
    }

    /// Removes an object, if `expected` is given only at that revision. Returns its last state, with the revision of the
    /// deletion.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`], or the disk's error.
    pub fn delete(&self, key: &Key, expected: Option<u64>) -> Result<Entry, StoreError> {
        self.write(Write::Delete { key: key.clone(), expected })
    }

    /// Every event of a resource with a revision above `from`, in order, once. A `from` in the future just waits.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] when events after `from` are no longer kept, [`StoreError::TooManyWatches`].
    pub fn watch(&self, resource: &str, namespace: Option<&str>, from: u64) -> Result<Watch, StoreError> {
        let slot = Slot::take(&self.shared.watches, self.shared.limits.watches)?;
        let mut state = self.shared.state.write();
        state.check_kept(resource, from)?;
        let changed = state.subscribe(resource);
        drop(state);
        Ok(Watch::new(self.shared.state.clone(), changed, (resource, namespace), from, slot))
    }

    /// Forgets all but the newest `keep` events of each resource. Watches and lists from before them get
    /// [`StoreError::Compacted`]. The store also does this by itself, by its [`Limits`].
    pub fn compact(&self, keep: usize) {
        let aftermath = self.shared.state.write().compact(keep);
        aftermath.finish();
    }

    /// What the store holds now.
    pub fn stats(&self) -> Stats {
        let watches = self.shared.watches.load(Ordering::Acquire);
        Stats { watches, ..self.shared.state.read().stats() }
    }

    fn write(&self, write: Write) -> Result<Entry, StoreError> {
        let Shared { committer, state, limits, durable, .. } = &*self.shared;
        let write = || committer.write(write, state, limits);
        if *durable { waiting_for_disk(write) } else { write() }
    }

    fn body(&self, mut object: Value) -> Result<Body, StoreError> {
        strip_resource_version(&mut object)?;
        check_depth(&object, MAX_DEPTH)?;
        let json = if self.shared.durable { to_json(&object) } else { Vec::new() };
        let bytes = if self.shared.durable { json.len() } else { json_size(&object) };
        let limit = self.shared.limits.object_bytes;
        if bytes > limit {
            return Err(StoreError::TooLarge { bytes, limit });
        }
        Ok(Body { object, bytes, json })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

/// Does what waits for the disk. The few workers of a runtime must not all stand still for it: readers have them too.
fn waiting_for_disk<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let aftermath = self.state.write().close();
        aftermath.finish();
    }
}

/// Arrays and objects within each other: less than what the JSON reader takes, so that what was stored can be read again.
const MAX_DEPTH: usize = 100;

fn check_depth(value: &Value, left: usize) -> Result<(), StoreError> {
    let deeper = || left.checked_sub(1).ok_or(StoreError::TooDeep { limit: MAX_DEPTH });
    match value {
        Value::Array(items) => {
            let left = deeper()?;
            items.iter().try_for_each(|item| check_depth(item, left))
        }
        Value::Object(fields) => {
            let left = deeper()?;
            fields.values().try_for_each(|field| check_depth(field, left))
        }
        _ => Ok(()),
    }
}

fn to_json(object: &Value) -> Vec<u8> {
    object.to_string().into_bytes()
}

/// The object's size as JSON, without making the JSON.
fn json_size(object: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(buf.len());
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // A Value has string keys only and the sink never fails, so this can't either.
    match serde_json::to_writer(&mut count, object) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

#[cfg(test)]
mod tests;
