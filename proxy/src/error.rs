//! Why a sidecar can't run.

use std::{io, net::SocketAddr};

/// A fault of the start; once running, a sidecar keeps going on what it has.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The admin server couldn't start.
    #[error(transparent)]
    Admin(#[from] isthmus_runtime::admin::AdminError),
    /// The roots given at the start can't be used.
    #[error("trust bundle: {0}; give the roots of the mesh's trust domain as PEM certificates")]
    InvalidTrustBundle(#[from] isthmus_identity::BadBundle),
    /// A value of the configuration can't be used.
    #[error("{field}: {value:?}: {reason}")]
    InvalidConfig {
        /// The field of [`crate::Config`].
        field: &'static str,
        /// What it holds.
        value: String,
        /// What is wrong, and what would be right.
        reason: &'static str,
    },
    /// A port couldn't be listened on.
    #[error("listening on {addr}: {source}; is another proxy running in this network namespace?")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The metrics couldn't be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// A thread couldn't be started.
    #[error("starting a worker thread: {0}")]
    Thread(io::Error),
    /// Spans can't be sent as the configuration says.
    #[error("traces: {0}")]
    Trace(#[from] crate::trace::BadExport),
    /// A worker ended though it wasn't asked to.
    #[error("a worker thread ended unexpectedly; its log says why")]
    WorkerEnded,
}
