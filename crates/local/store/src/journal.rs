//! The data directory: a snapshot and the log of the writes after it.
//!
//! ```text
//! LOCK                             held (flock) while a process has the directory open; holds its pid
//! snapshot-<revision, 20 digits>   every object at that revision
//! log-<the same revision>          every write after it, one frame for each batch of writes
//! ```
//!
//! A write is answered after its frame has been written and `fdatasync`ed; writers that wait at the same time share one
//! frame and one sync. The next frame begins only then, so a crash can tear no frame but the last: a bad frame with a
//! good one behind it is damage, and the directory is refused; a bad one at the end is a write that nobody was told of,
//! and is cut off. When the log has grown ([`crate::Limits::file_bytes`]) a new pair replaces the old one: the log is made
//! first, then the snapshot is renamed into place, then the old pair is removed, so at each moment one pair is whole.

mod codec;
mod files;
mod snapshot;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::state::{Change, State};
use crate::{Entry, Limits, StoreError};

/// What was cut from the end of the log when it was opened: a write that had not been finished, so nobody was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The log file.
    pub file: PathBuf,
    /// The length that it has now.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

/// The open data directory.
pub(crate) struct Journal {
    dir: PathBuf,
    /// Held for its lock.
    lock: File,
    log: File,
    log_path: PathBuf,
    log_bytes: u64,
    /// Rotate when the log is longer than this.
    rotate_at: u64,
    /// Set when what is on disk is not known any more.
    stopped: bool,
}

/// What [`Journal::open`] found.
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    pub(crate) state: State,
    pub(crate) cut: Option<Cut>,
}

impl Journal {
    pub(crate) fn open(dir: &Path, limits: &Limits) -> Result<Opened, StoreError> {
        let lock = files::lock(dir)?;
        let found = files::scan(dir)?;
        let Some(&revision) = found.snapshots.last() else {
            files::refuse_orphans(dir, &found)?;
            let (log, log_path, _) = files::start_pair(dir, 0, &[])?;
            let journal = Self::new(dir, lock, (log, log_path), (codec::HEADER_BYTES, 0), limits);
            return Ok(Opened { journal, state: State::new(0), cut: None });
        };
        let (mut state, snapshot_bytes) = snapshot::read(&files::snapshot_path(dir, revision), revision)?;
        let log_path = files::log_path(dir, revision);
        let (log, log_bytes, cut) = files::open_log(&log_path, revision, &mut state, limits)?;
        files::remove_older(dir, &found, revision);
        if let Some(cut) = &cut {
            tracing::warn!(
                file = %cut.file.display(), offset = cut.offset, bytes = cut.bytes,
                "cut an unfinished write from the end of the log; no writer had been told that it was done"
            );
        }
        let journal = Self::new(dir, lock, (log, log_path), (log_bytes, snapshot_bytes), limits);
        Ok(Opened { journal, state, cut })
    }

    fn new(
        dir: &Path,
        lock: File,
        (log, log_path): (File, PathBuf),
        (log_bytes, snapshot_bytes): (u64, u64),
        limits: &Limits,
    ) -> Self {
        let rotate_at = limits.file_bytes.max(snapshot_bytes);
        Self { dir: dir.to_owned(), lock, log, log_path, log_bytes, rotate_at, stopped: false }
    }

    /// Brings a batch to disk; when it fails, none of the batch is there.
    pub(crate) fn append(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        if self.stopped {
            return Err(StoreError::WritesStopped { file: self.log_path.clone() });
        }
        let frame = codec::frame(changes.iter().map(codec::Record::of))
            .map_err(|reason| StoreError::io(&self.log_path, std::io::Error::other(reason)))?;
        if let Err(error) = self.log.write_all(&frame) {
            // A full disk: take the half-written frame back, so that a later write can still succeed.
            let undone = self.log.set_len(self.log_bytes).and_then(|()| self.log.sync_data());
            self.stopped = undone.is_err();
            return Err(StoreError::io(&self.log_path, error));
        }
        if let Err(error) = self.log.sync_data() {
            // After a failed sync the kernel may have dropped the pages: nothing can be said of the file's end.
            self.stopped = true;
            return Err(StoreError::io(&self.log_path, error));
        }
        self.log_bytes = self.log_bytes.saturating_add(frame.len() as u64);
        Ok(())
    }

    /// Has the log grown enough to be replaced by a snapshot?
    pub(crate) fn wants_rotation(&self) -> bool {
        !self.stopped && self.log_bytes > self.rotate_at
    }

    /// Replaces snapshot and log by a snapshot of these entries and an empty log. If that fails, the old pair stays in use.
    pub(crate) fn rotate(&mut self, revision: u64, entries: &[Entry], limits: &Limits) {
        match files::start_pair(&self.dir, revision, entries) {
            Ok((log, log_path, snapshot_bytes)) => {
                self.log = log;
                self.log_path = log_path;
                self.log_bytes = codec::HEADER_BYTES;
                self.rotate_at = limits.file_bytes.max(snapshot_bytes);
                match files::scan(&self.dir) {
                    Ok(found) => files::remove_older(&self.dir, &found, revision),
                    Err(error) => tracing::warn!(%error, "left an old snapshot and log behind"),
                }
            }
            Err(error) => {
                // A new snapshot would be preferred at the next start, over the log that goes on being written.
                self.stopped = files::withdraw_snapshot(&self.dir, revision).is_err();
                self.rotate_at = self.log_bytes.saturating_add(limits.file_bytes.max(1));
                tracing::warn!(%error, "could not write a snapshot; going on with the present log");
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Closing would not do: a child process that is being started at this moment holds a copy of the descriptor.
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(dir = %self.dir.display(), %error, "could not unlock the data directory");
        }
    }
}

#[cfg(test)]
mod tests;
