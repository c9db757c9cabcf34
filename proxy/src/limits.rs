//! Every limit of the data plane in one place. What goes beyond one is refused or bounded, never grown into.

use std::time::Duration;

/// Most bytes of an HTTP/1 head, or of an HTTP/2 header list.
pub const HEAD_BYTES: usize = 64 << 10;
/// Most header fields of a message. hyper's own limit: another one costs it an allocation for each message.
pub const HEADER_FIELDS: usize = 100;
/// Most concurrent HTTP/2 streams that a client may open on one connection.
pub const CLIENT_STREAMS: u32 = 256;
/// Most bytes of a received HTTP/2 frame.
pub const FRAME_BYTES: u32 = 16 << 10;
/// Most bytes of the HPACK table that a peer's fields are kept in.
pub const HEADER_TABLE: u32 = 4096;
/// Most bytes that wait on one HTTP/2 stream for a client that doesn't read.
pub const STREAM_SEND_BUFFER: usize = 64 << 10;
/// Most HTTP/2 streams that a client has reset before they were looked at.
pub const PENDING_RESETS: usize = 20;
/// Most HTTP/2 streams of one connection that were reset for a client's protocol errors.
pub const ERROR_RESETS: usize = 256;
/// Most HTTP/2 control frames that a peer may send ahead of requests and data: a request pays for 4, data for 4 a frame and 1
/// for every 256 bytes, in either direction.
pub const CONTROL_FRAMES: u32 = 10_000;
/// Control frames that come back each second.
pub const CONTROL_FRAMES_A_SECOND: u32 = 100;
/// Most HTTP/2 streams of one connection that a peer may reset beyond half of all that it opens.
pub const RESETS: u32 = 1000;
/// Such resets that come back each second.
pub const RESETS_A_SECOND: u32 = 50;
/// How long an HTTP/2 client may leave a PING unanswered.
pub const PING_ANSWER: Duration = Duration::from_secs(20);
/// Concurrent requests on one HTTP/2 connection to an endpoint before another connection is opened.
pub const UPSTREAM_STREAMS: usize = 100;
/// Most HTTP/2 connections of one worker to one endpoint.
pub const UPSTREAM_H2_CONNECTIONS: usize = 8;
/// Receive window of an HTTP/2 stream in bytes.
pub const STREAM_WINDOW: u32 = 256 << 10;
/// Receive window of an HTTP/2 connection in bytes. h2 resets streams when what unread `DATA` frames lack of 256 bytes each comes to
/// more than half of this: a whole [`STREAM_WINDOW`] of gRPC messages of one byte must not.
pub const CONNECTION_WINDOW: u32 = 24 << 20;
/// Most HTTP/1 connections that one worker makes to one endpoint at a time.
pub const DIALS: usize = 8;
/// How long a request waits for its turn to make one, or for one that becomes idle; then it makes one all the same.
pub const DIAL_TURN: Duration = Duration::from_millis(250);
/// Most idle HTTP/1 connections of one worker to one endpoint.
pub const POOL_IDLE: usize = 128;
/// How long an idle connection to an endpoint is kept. Shorter than [`INBOUND_IDLE`], so that the caller closes first.
pub const POOL_IDLE_TIME: Duration = Duration::from_secs(60);
/// How long a meshed or plaintext peer may take for a request head, or stay idle between requests.
pub const INBOUND_IDLE: Duration = Duration::from_secs(120);
/// The same for the pod's own application, which is trusted with its own connections.
pub const OUTBOUND_IDLE: Duration = Duration::from_secs(3600);
/// Time to connect to an endpoint, handshakes included.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long a body with `Expect: 100-continue` waits for the endpoint to ask for it; then it is sent all the same.
pub const EXPECT_TIME: Duration = Duration::from_secs(1);
/// Endpoints that one TCP connection tries while connecting fails; for requests see `isthmus_core::retry`.
pub const CONNECT_TRIES: u32 = 3;
/// Most bytes of a request's body that are kept until it is answered, so that it can be sent again.
pub const RESEND_BYTES: usize = 64 << 10;
/// Most pieces of such a body.
pub const RESEND_FRAMES: usize = 16;
/// How long the body of a request that got the proxy's own answer is read on, and how long an endpoint that has closed is.
pub const READ_UP_TIME: Duration = Duration::from_secs(2);
/// Time that a peer has for its TLS handshake.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Most bytes read to find out a protocol.
pub const DETECT_BYTES: usize = 16 << 10;
/// Time that a client which has begun to speak has to show its protocol; then it is opaque TCP.
pub const DETECT_TIME: Duration = Duration::from_secs(1);
/// Time after which a client that says nothing gets its upstream opened, in case the server speaks first.
pub const DETECT_SILENCE: Duration = Duration::from_millis(20);
/// Time that a client which says nothing has left to do so once opaque TCP was refused it or failed; then its connection is reset.
pub const REFUSED_SILENCE: Duration = Duration::from_secs(2);
/// Most connections that a worker serves at once in one direction; more wait in the listener's backlog. Fewer where the process may
/// not have so many file descriptors.
pub const CONNECTIONS: usize = 16_384;
/// Most connections that one source may hold for each place of its direction that is still free; further ones are reset. So one
/// source has at most four fifths of all, and there is room for others.
pub const SOURCE_SHARE: usize = 4;
/// File descriptors that are left for all else than connections.
pub const RESERVED_DESCRIPTORS: usize = 64;
/// Fewest connections in one direction, however few file descriptors there are.
pub const FEWEST_CONNECTIONS: usize = 16;
/// How long accepting pauses when file descriptors have run out, unless a connection ends before.
pub const DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection is silent before it is probed whether the client is still there (TCP keep-alive).
pub const PROBE_AFTER: Duration = Duration::from_secs(120);
/// How often it is probed then.
pub const PROBE_EVERY: Duration = Duration::from_secs(15);
/// Unanswered probes after which the client is gone.
pub const PROBES: u32 = 4;
/// How long the client of an HTTP/1 request may pause within its body, at the callee. HTTP/2 streams and upgraded connections may
/// be silent for as long as they like.
pub const BODY_STALL: Duration = Duration::from_secs(300);
/// Time that callers have to leave by themselves once shutdown was asked for; then their connections are told to finish.
pub const LEAVE_TIME: Duration = Duration::from_secs(2);
/// Time without any connection after which a worker that was asked to end does.
pub const QUIET_TIME: Duration = Duration::from_millis(250);
/// Longest that cutting what is still open takes at the end of the drain time.
pub const CUT_TIME: Duration = Duration::from_millis(100);
/// Backlog of the listeners.
pub const BACKLOG: i32 = 4096;
/// Most destinations known at once; further ones are passed through.
pub const DESTINATIONS: usize = 4096;
/// Most edges that are counted apart unless the process is told otherwise; further ones share one.
pub const EDGES: usize = 2000;
/// Time after which an edge that nobody holds and nothing happened on is let go.
pub const EDGE_IDLE: Duration = Duration::from_secs(1800);
/// Most distinct names that callers may have called the workload by: they choose what they send.
pub const EDGE_SERVICES: usize = 64;
/// How often the controller is told what was counted, if anything was.
pub const REPORT_EVERY: Duration = Duration::from_secs(2);
/// Time without use after which a destination is forgotten.
pub const DESTINATION_IDLE: Duration = Duration::from_secs(600);
/// How often it is looked which destinations and pooled connections are idle.
pub const SWEEP: Duration = Duration::from_secs(15);
/// Time to wait for the controller to say what a destination is; then the request is passed through.
pub const LOOKUP_TIME: Duration = Duration::from_secs(2);
/// First wait before the controller is dialled again; doubled each time, with jitter.
pub const RECONNECT_FIRST: Duration = Duration::from_millis(100);
/// Longest wait before the controller is dialled again.
pub const RECONNECT_LONGEST: Duration = Duration::from_secs(10);
/// Most bytes copied at once from one side of a TCP connection to the other.
pub const COPY_BYTES: usize = 16 << 10;
/// How often a silent session with the controller is probed.
pub const CONTROL_KEEPALIVE: Duration = Duration::from_secs(10);
/// How long the controller has to answer a probe.
pub const CONTROL_KEEPALIVE_ANSWER: Duration = Duration::from_secs(5);
/// How long asking for a certificate may take.
pub const CERTIFY_TIME: Duration = Duration::from_secs(15);
/// Most finished spans that wait to be sent to the collector of traces; further ones are dropped.
pub const TRACE_QUEUE: usize = 2048;
/// Most spans that are sent at once.
pub const TRACE_BATCH: usize = 512;
/// How long a batch that isn't full waits for more spans.
pub const TRACE_PERIOD: Duration = Duration::from_secs(1);
/// Most bytes of a path, or of a host, that a span carries.
pub const TRACE_TEXT: usize = 1024;
/// How long the collector has to answer.
pub const TRACE_EXPORT_TIME: Duration = Duration::from_secs(10);
/// How long a batch is tried again before it is dropped.
pub const TRACE_RETRY_TIME: Duration = Duration::from_secs(60);
/// Most bytes of the collector's answer.
pub const TRACE_ANSWER: usize = 64 << 10;
/// How long a proxy that ends goes on sending its last spans.
pub const TRACE_FLUSH_TIME: Duration = Duration::from_secs(2);

/// Most records of taps that wait to be told; further ones are missed.
pub const TAPPED: usize = 256;

/// The limits that differ between processes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// [`CONNECTIONS`].
    pub connections: usize,
    /// [`INBOUND_IDLE`].
    pub inbound_idle: Duration,
    /// [`BODY_STALL`].
    pub body_stall: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections: CONNECTIONS, inbound_idle: INBOUND_IDLE, body_stall: BODY_STALL }
    }
}

/// How many connections a worker may serve in one direction, so that all of them have the two file descriptors that they need.
pub(crate) fn connections_with(descriptors: usize, workers: usize) -> usize {
    const SIDES: usize = 2;
    const DIRECTIONS: usize = 2;
    let each = descriptors.saturating_sub(RESERVED_DESCRIPTORS) / (SIDES * DIRECTIONS * workers.max(1));
    each.clamp(FEWEST_CONNECTIONS, CONNECTIONS)
}

#[cfg(test)]
mod tests;
