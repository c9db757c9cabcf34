//! What the store will hold, and what it holds.

/// Bounds on what the store holds. The defaults suit a cluster on a laptop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Objects in the whole store. Default 100,000.
    pub objects: usize,
    /// Bytes of one object as JSON. Default 1.5 MiB, which is etcd's.
    pub object_bytes: usize,
    /// Watches open at one time. Default 10,000.
    pub watches: usize,
    /// Events kept for watches, for each resource. Default 2,000: a client that is further behind lists anew, as on any cluster.
    pub log_events: usize,
    /// Bytes of objects (as JSON) that the kept events of each resource may hold; the newest event is always kept.
    /// Default 4 MiB; in memory they are several times that.
    pub log_bytes: usize,
    /// Bytes of the log file after which a snapshot replaces it, unless the snapshot is larger. Default 16 MiB.
    pub file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            objects: 100_000,
            object_bytes: 1536 * 1024,
            watches: 10_000,
            log_events: 2_000,
            log_bytes: 4 * 1024 * 1024,
            file_bytes: 16 * 1024 * 1024,
        }
    }
}

/// What the store holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The current revision.
    pub revision: u64,
    /// Objects stored.
    pub objects: usize,
    /// Events kept for watches, over all resources.
    pub log_events: usize,
    /// Bytes of JSON in those events.
    pub log_bytes: usize,
    /// Open watches.
    pub watches: usize,
}
