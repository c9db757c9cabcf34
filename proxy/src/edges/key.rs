//! What tells edges apart.

use std::sync::Arc;

use isthmus_core::telemetry::Workload;

use crate::metrics::Direction;

/// Stands for all that have no place of their own.
pub(crate) const OTHER: &str = "other";

/// What is spoken on an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    Http,
    Grpc,
    Tcp,
}

impl Protocol {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Tcp => "tcp",
        }
    }

    /// Its place among the three.
    pub(super) const fn index(self) -> usize {
        match self {
            Self::Http => 0,
            Self::Grpc => 1,
            Self::Tcp => 2,
        }
    }
}

/// An edge, seen from the proxy's own workload. What doesn't apply is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) direction: Direction,
    pub(crate) protocol: Protocol,
    /// The other workload; `None` outside the mesh, and where no endpoint was found.
    pub(crate) peer: Option<Arc<Workload>>,
    /// Inbound: the caller's SPIFFE ID, or `none`.
    pub(crate) client: Arc<str>,
    /// `namespace/name` of what was called.
    pub(crate) service: Arc<str>,
    /// Outbound: `namespace/name` of where it went, or `passthrough`.
    pub(crate) backend: Arc<str>,
    /// Outbound: `namespace/name` of the split that sent it there.
    pub(crate) split: Arc<str>,
}

impl Key {
    /// All edges of a direction and protocol beyond the cap.
    pub(super) fn other(direction: Direction, protocol: Protocol) -> Self {
        let other: Arc<str> = OTHER.into();
        let peer = Workload {
            mesh: Arc::clone(&other),
            namespace: Arc::clone(&other),
            service_account: Arc::clone(&other),
            kind: Arc::clone(&other),
            name: Arc::clone(&other),
            pod: Arc::clone(&other),
        };
        let [client, backend, split] = match direction {
            Direction::Inbound => [other.clone(), "".into(), "".into()],
            Direction::Outbound => ["".into(), other.clone(), other.clone()],
        };
        Self { direction, protocol, peer: Some(Arc::new(peer)), client, service: other, backend, split }
    }
}
