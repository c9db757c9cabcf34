//! The embedded cluster's object store: one ordered revision log, watches, an optional file.
//!
//! Every write that changes something takes the next revision and makes exactly one [`Event`]. What a reader sees is always
//! a whole state at one revision, and with a data directory only what is already on disk: a revision that somebody has
//! seen survives a crash.
//!
//! - [`Store`] reads and writes; it is a cheap handle.
//! - [`Watch`] gives every event after a revision, in order, once, or says [`StoreError::Compacted`].
//! - [`Limits`] bounds objects, bytes, watches and history.
//!
//! Values are `serde_json::Value` in `Arc`s: nothing is copied on a read.
//!
//! With a data directory a write is answered once its record is `fdatasync`ed (writers that wait at the same time share
//! one sync), so what was answered survives `kill -9` and a power cut. Revisions and the recent history go on after a
//! restart. A write that a crash cut in half is removed at the next start and reported ([`Store::cut`]); damage anywhere
//! else refuses the directory with an error that names the file. One process at a time has a directory open. The format
//! and the order of its steps are described in `journal.rs`.

mod commit;
mod error;
mod journal;
mod limits;
mod model;
mod state;
mod store;
mod watch;

pub use error::StoreError;
pub use journal::Cut;
pub use limits::{Limits, Stats};
pub use model::{Entry, Event, EventKind, Key, Listing};
pub use store::Store;
pub use watch::Watch;
