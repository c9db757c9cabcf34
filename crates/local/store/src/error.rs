//! Why the store refuses.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Key;

/// Why the store refused an operation, or could not open its directory.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The history asked for is no longer kept; list again.
    #[error("that revision has been compacted; the oldest kept is {oldest}")]
    Compacted {
        /// The oldest revision that a list or watch of this resource may still start from.
        oldest: u64,
    },
    /// The object has been changed since the caller read it; read it again.
    #[error("{key} has changed: it is at revision {current}")]
    Conflict {
        /// The object.
        key: Key,
        /// Its present revision.
        current: u64,
    },
    /// The object is there already.
    #[error("{key} exists already")]
    Exists {
        /// The object.
        key: Key,
    },
    /// The revision asked for has not been reached.
    #[error("that revision is in the future; the current one is {current}")]
    Future {
        /// The store's present revision.
        current: u64,
    },
    /// The object lacks what the store needs of it.
    #[error("the object's `{field}` is missing or not an object: {remedy}")]
    MalformedObject {
        /// The field.
        field: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// There is no such object.
    #[error("{key} not found")]
    NotFound {
        /// The object.
        key: Key,
    },
    /// The object's arrays and objects are nested too deeply.
    #[error("the object is nested more than {limit} levels deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The object is larger than [`crate::Limits::object_bytes`].
    #[error("the object has {bytes} bytes of JSON; at most {limit} are stored")]
    TooLarge {
        /// Its size as JSON.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The store is full, see [`crate::Limits::objects`].
    #[error("the store holds its limit of {limit} objects: delete some first")]
    TooManyObjects {
        /// The limit.
        limit: usize,
    },
    /// Too many watches are open, see [`crate::Limits::watches`].
    #[error("{limit} watches are open, which is the limit: close some first")]
    TooManyWatches {
        /// The limit.
        limit: usize,
    },

    /// A file of the data directory is damaged in the middle, where no crash could have done it.
    #[error(
        "{}: damaged at byte {offset} ({reason}): restore the directory from a copy, or delete it to start with an empty cluster",
        file.display()
    )]
    CorruptFile {
        /// The file.
        file: PathBuf,
        /// Where the damage begins.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Another process has the data directory open.
    #[error("{}: in use by another process{holder}: stop it, or choose another directory", dir.display())]
    DirectoryInUse {
        /// The directory.
        dir: PathBuf,
        /// ` (pid N)` where known.
        holder: String,
    },
    /// The operating system refused.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// An earlier write could not be brought to disk; what is on disk is unknown, so no more is written.
    #[error("{}: an earlier write failed, writes are refused: see to the disk and restart", file.display())]
    WritesStopped {
        /// The log file.
        file: PathBuf,
    },
    /// The file was written by another version of this program.
    #[error(
        "{}: format version {found}, this program reads {supported}: use the program that wrote it, or delete the directory to start with an empty cluster",
        file.display()
    )]
    UnsupportedFormat {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u16,
        /// The version that this program reads and writes.
        supported: u16,
    },
}

impl StoreError {
    pub(crate) fn io(file: &Path, source: io::Error) -> Self {
        Self::Io { file: file.to_owned(), source: Arc::new(source) }
    }
}
