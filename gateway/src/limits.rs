//! Every limit of the gateway in one place. What goes beyond one is refused or bounded, never grown into.

use std::time::Duration;

pub use isthmus_proxy::limits::{
    BACKLOG, CUT_TIME, DESCRIPTOR_PAUSE, FEWEST_CONNECTIONS, PROBE_AFTER, PROBE_EVERY, PROBES, RESERVED_DESCRIPTORS,
    SOURCE_SHARE,
};

/// Most bytes read of a client before its server name must be known.
pub const HELLO_BYTES: usize = 16 << 10;
/// Time that a client has for its ClientHello, and what may come before it.
pub const HELLO_TIME: Duration = Duration::from_secs(5);
/// Most bytes of a PROXY protocol header.
pub const PREFACE_BYTES: usize = 4096;
/// Most connections that a worker serves at once; more wait in the listener's backlog. Fewer where the process may not have so many
/// file descriptors.
pub const CONNECTIONS: usize = 16_384;
/// New connections a second that a worker takes of one source; what goes beyond is reset.
pub const SOURCE_RATE: u32 = 1000;
/// New connections of one source that a worker takes at once, before its rate counts.
pub const SOURCE_BURST: u32 = 4000;
/// Most sources whose rate a worker remembers; beyond that, new ones share one.
pub const SOURCES: usize = 16_384;
/// Time for one attempt to connect to an endpoint or to the next gateway.
pub const DIAL_TIME: Duration = Duration::from_secs(2);
/// Endpoints or gateways that one connection tries while connecting fails.
pub const DIAL_TRIES: usize = 3;
/// Time without a byte in either direction after which a connection is cut.
pub const IDLE: Duration = Duration::from_secs(3600);
/// Longest time between two looks for what is idle.
pub const SWEEP: Duration = Duration::from_secs(15);
/// Most bytes copied at once from one side of a connection to the other, and held of one direction while the other side takes none.
pub const COPY_BYTES: usize = 64 << 10;
/// Bytes of a pipe: what is held of one direction that is spliced.
pub const PIPE_BYTES: usize = 256 << 10;
/// Most directions of a worker's connections that are spliced at once; the others are copied.
pub const PIPES: usize = 256;
/// Pipes that are kept for the next use.
pub const IDLE_PIPES: usize = 32;
/// Bytes that one direction moves before it is the others' turn.
pub const TURN_BYTES: usize = 1 << 20;
/// Most services that have counters of their own; further ones are counted together.
pub const SERVICES: usize = 1000;
/// Time that callers have to learn of the gateway's end once shutdown was asked for; then no more connections are taken.
pub const LEAVE_TIME: Duration = Duration::from_secs(5);
/// How long open connections may go on once shutdown was asked for; then they are reset.
pub const DRAIN_TIME: Duration = Duration::from_secs(30);

/// The limits that differ between processes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// [`CONNECTIONS`].
    pub connections: usize,
    /// [`SOURCE_RATE`].
    pub source_rate: u32,
    /// [`SOURCE_BURST`].
    pub source_burst: u32,
    /// [`HELLO_TIME`].
    pub hello_time: Duration,
    /// [`IDLE`].
    pub idle: Duration,
    /// [`LEAVE_TIME`].
    pub leave: Duration,
    /// [`DRAIN_TIME`].
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            source_rate: SOURCE_RATE,
            source_burst: SOURCE_BURST,
            hello_time: HELLO_TIME,
            idle: IDLE,
            leave: LEAVE_TIME,
            drain: DRAIN_TIME,
        }
    }
}

/// How many connections a worker may serve, so that all have their two file descriptors, and the pipes theirs.
pub(crate) fn connections_with(descriptors: usize, workers: usize) -> usize {
    const SIDES: usize = 2;
    const ENDS: usize = 2;
    let each = descriptors.saturating_sub(RESERVED_DESCRIPTORS) / workers.max(1);
    (each.saturating_sub(PIPES * ENDS) / SIDES).clamp(FEWEST_CONNECTIONS, CONNECTIONS)
}

#[cfg(test)]
mod tests;
