//! What one client may take of the server.

use std::time::Duration;

/// Bounds on requests and connections. The store's own bounds are in [`isthmus_local_store::Limits`].
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request's body. Default 3 MiB, as kube-apiserver.
    pub body_bytes: usize,
    /// Bytes of a request's line and headers. Default 64 KiB.
    pub header_bytes: usize,
    /// Headers of one request. Default 100.
    pub headers: usize,
    /// Connections open at one time; more wait to be accepted. Default 2,000.
    pub connections: usize,
    /// Time for a TLS handshake, for a request's headers, and for its body, each. Default 20 s.
    pub read_time: Duration,
    /// Time for an answer to begin, watches and streams apart. Default 60 s.
    pub request_time: Duration,
    /// How long a watch stays open when its client sets no `timeoutSeconds`. Default 1 h.
    pub watch_time: Duration,
    /// How often a watch that wants bookmarks gets one. Default 60 s.
    pub bookmark_interval: Duration,
    /// How long connections may finish their requests after a shutdown. Default 5 s.
    pub drain_time: Duration,
    /// Objects, bytes, watches and history of the store.
    pub store: isthmus_local_store::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 3 * 1024 * 1024,
            header_bytes: 64 * 1024,
            headers: 100,
            connections: 2_000,
            read_time: Duration::from_secs(20),
            request_time: Duration::from_secs(60),
            watch_time: Duration::from_secs(3600),
            bookmark_interval: Duration::from_secs(60),
            drain_time: Duration::from_secs(5),
            store: isthmus_local_store::Limits::default(),
        }
    }
}
