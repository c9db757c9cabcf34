//! Back-pressure: a reader that stops stops its writer, and what is on the way between them is bounded.

use std::{
    future::poll_fn,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::{PORT, Pair, Stage};
use crate::support::soon;

/// What is sent: far more than may be on the way.
const BY_SOCKETS: u64 = 80 << 20;
const BY_WINDOWS: u64 = 16 << 20;
const BY_SMALL_FRAMES: u64 = 1 << 20;
/// Most bytes on the way while nobody reads: the buffers of six sockets in three kernels' pairs, which grow up to some MiB each, and
/// those of two proxies.
const IN_SOCKETS: u64 = 64 << 20;
/// The same on HTTP/2, where windows hold the sender back and no socket fills.
const IN_WINDOWS: u64 = 2 << 20;
/// Window of a connection's ends, so that it is the streams' that fill.
const WIDE: u32 = 16 << 20;
/// Time without progress after which a writer has been stopped.
const STOPPED: Duration = Duration::from_millis(500);

const PIECE: usize = 64 << 10;

/// The n-th byte of a body.
fn pattern(n: u64) -> u8 {
    (n.wrapping_mul(0x9e37_79b9) >> 16) as u8
}

fn piece(at: u64, longest: usize) -> Bytes {
    (at..at + longest as u64).map(pattern).collect()
}

/// Something that takes a body's bytes, some at a time.
trait Sink {
    /// Writes the bytes at `at`; how many were taken.
    async fn put(&mut self, at: u64, most: usize) -> u64;
}

/// Something that a body's bytes come out of; none at the end.
trait Source {
    async fn take(&mut self) -> Bytes;
}

struct Bytewise<S>(S);

impl<S: AsyncWrite + Unpin> Sink for Bytewise<S> {
    async fn put(&mut self, at: u64, most: usize) -> u64 {
        self.0.write(&piece(at, most)).await.unwrap() as u64
    }
}

impl<S: AsyncRead + Unpin> Source for Bytewise<S> {
    async fn take(&mut self) -> Bytes {
        let mut bytes = vec![0; PIECE];
        let read = self.0.read(&mut bytes).await.unwrap();
        bytes.truncate(read);
        bytes.into()
    }
}

impl Sink for SendStream<Bytes> {
    async fn put(&mut self, at: u64, most: usize) -> u64 {
        self.reserve_capacity(most);
        let room = poll_fn(|cx| self.poll_capacity(cx)).await.unwrap().unwrap();
        self.send_data(piece(at, room), false).unwrap();
        room as u64
    }
}

/// Sends frames of a few bytes, as gRPC does with small messages.
struct InSmallFrames(SendStream<Bytes>);

impl Sink for InSmallFrames {
    async fn put(&mut self, at: u64, most: usize) -> u64 {
        self.0.put(at, most.min(10)).await
    }
}

impl Source for RecvStream {
    async fn take(&mut self) -> Bytes {
        let Some(data) = self.data().await else { return Bytes::new() };
        let data = data.unwrap();
        self.flow_control().release_capacity(data.len()).unwrap();
        data
    }
}

/// Writes until nothing more is taken for a while; how much was.
async fn fill(sink: &mut impl Sink, most: u64) -> u64 {
    let mut sent = 0;
    while let Ok(taken) = tokio::time::timeout(STOPPED, sink.put(sent, PIECE)).await {
        sent += taken;
        assert!(sent <= most, "{sent} bytes are on the way and nobody reads");
    }
    sent
}

/// Fills what lies between the two, then reads, and writes the rest: little was on the way, and all arrives as it was.
async fn stop_and_go(mut sink: impl Sink, mut source: impl Source, most: u64, whole: u64) {
    let mut sent = fill(&mut sink, most).await;
    assert!(sent > 0);
    let write = async {
        while sent < whole {
            sent += sink.put(sent, PIECE.min((whole - sent) as usize)).await;
        }
    };
    let read = async {
        let mut heard = 0;
        while heard < whole {
            let data = source.take().await;
            assert!(!data.is_empty(), "ended at {heard}");
            assert!(data == piece(heard, data.len()), "other bytes at {heard}");
            heard += data.len() as u64;
        }
    };
    soon("all bytes", async { tokio::join!(write, read) }).await;
}

#[tokio::test]
async fn opaque_tcp() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    // Not HTTP: a line that isn't a request decides at once.
    let mut client = TcpStream::connect(pair.caller.call(0)).await.unwrap();
    client.write_all(b"\x00").await.unwrap();
    let mut app = stage.tcp().await;
    assert_eq!(app.read_u8().await.unwrap(), 0);
    let ((client_read, client_write), (app_read, app_write)) = (client.into_split(), app.into_split());
    stop_and_go(Bytewise(client_write), Bytewise(app_read), IN_SOCKETS, BY_SOCKETS).await;
    stop_and_go(Bytewise(app_write), Bytewise(client_read), IN_SOCKETS, BY_SOCKETS).await;
}

#[tokio::test]
async fn http1_bodies() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    let mut client = super::Wire::open(pair.caller.call(0)).await;
    client.send(&format!("PUT / HTTP/1.1\r\nhost: web\r\ncontent-length: {BY_SOCKETS}\r\n\r\n")).await;
    let mut app = stage.next().await;
    app.head().await;
    stop_and_go(Bytewise(&mut client.io), Bytewise(&mut app.io), IN_SOCKETS, BY_SOCKETS).await;
    app.send(&format!("HTTP/1.1 200 OK\r\ncontent-length: {BY_SOCKETS}\r\n\r\n")).await;
    client.head().await;
    stop_and_go(Bytewise(&mut app.io), Bytewise(&mut client.io), IN_SOCKETS, BY_SOCKETS).await;
}

/// Both ends of one HTTP/2 stream of a connection that others use too.
struct Streams {
    client: h2::client::SendRequest<Bytes>,
    answers: tokio::sync::mpsc::UnboundedReceiver<(Request<RecvStream>, h2::server::SendResponse<Bytes>)>,
}

impl Streams {
    async fn open(addr: SocketAddr, mut stage: Stage) -> Self {
        let (send, answers) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(stream) = stage.connections.recv().await {
                let send = send.clone();
                tokio::spawn(async move {
                    let mut wide = h2::server::Builder::new();
                    let mut connection =
                        wide.initial_connection_window_size(WIDE).handshake::<_, Bytes>(stream).await.unwrap();
                    while let Some(Ok(request)) = connection.accept().await {
                        let _ = send.send(request);
                    }
                });
            }
        });
        let stream = TcpStream::connect(addr).await.unwrap();
        let mut wide = h2::client::Builder::new();
        let handshake = wide.initial_connection_window_size(WIDE).handshake(stream);
        let (client, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        Self { client, answers }
    }

    /// A stream with both its directions open.
    async fn both_ways(&mut self) -> (SendStream<Bytes>, RecvStream, SendStream<Bytes>, RecvStream) {
        let request = Request::post("http://web/").body(()).unwrap();
        self.client = soon("a turn", self.client.clone().ready()).await.unwrap();
        let (answer, up_write) = self.client.send_request(request, false).unwrap();
        let (request, mut respond) = soon("a request", self.answers.recv()).await.unwrap();
        let down_write = respond.send_response(Response::new(()), false).unwrap();
        let down_read = soon("a head", answer).await.unwrap().into_body();
        (up_write, request.into_body(), down_write, down_read)
    }

    /// A short request beside the others, with its answer.
    async fn short(&mut self) {
        let request = Request::get("http://web/").body(()).unwrap();
        self.client = soon("a turn", self.client.clone().ready()).await.unwrap();
        let (answer, _) = self.client.send_request(request, true).unwrap();
        let (_, mut respond) = soon("a request", self.answers.recv()).await.unwrap();
        let mut send = respond.send_response(Response::new(()), false).unwrap();
        send.send_data(Bytes::from_static(b"short"), true).unwrap();
        let mut body = soon("a head", answer).await.unwrap().into_body();
        assert_eq!(soon("the body", body.take()).await, "short");
    }
}

#[tokio::test]
async fn http2_streams() {
    let pair = Pair::start(PORT).await;
    let mut streams = Streams::open(pair.caller.call(0), Stage::of(&pair).await).await;
    let (up_write, up_read, down_write, down_read) = streams.both_ways().await;
    stop_and_go(up_write, up_read, IN_WINDOWS, BY_WINDOWS).await;
    stop_and_go(down_write, down_read, IN_WINDOWS, BY_WINDOWS).await;
}

#[tokio::test]
async fn small_frames_wait_for_a_slow_reader() {
    let pair = Pair::start(PORT).await;
    let mut streams = Streams::open(pair.caller.call(0), Stage::of(&pair).await).await;
    let (up_write, up_read, down_write, down_read) = streams.both_ways().await;
    stop_and_go(InSmallFrames(up_write), up_read, IN_WINDOWS, BY_SMALL_FRAMES).await;
    stop_and_go(InSmallFrames(down_write), down_read, IN_WINDOWS, BY_SMALL_FRAMES).await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_does_not_stop_the_others() {
    let pair = Pair::start(PORT).await;
    let mut streams = Streams::open(pair.caller.call(0), Stage::of(&pair).await).await;
    let mut stopped = Vec::new();
    for _ in 0..2 {
        let (mut up_write, up_read, mut down_write, down_read) = streams.both_ways().await;
        for sink in [&mut up_write, &mut down_write] {
            fill(sink, IN_WINDOWS).await;
        }
        stopped.push((up_write, up_read, down_write, down_read));
    }
    let begun = Instant::now();
    for _ in 0..100 {
        streams.short().await;
    }
    let (up_write, up_read, down_write, down_read) = streams.both_ways().await;
    stop_and_go(up_write, up_read, IN_WINDOWS, BY_WINDOWS).await;
    stop_and_go(down_write, down_read, IN_WINDOWS, BY_WINDOWS).await;
    drop(stopped);
    assert!(begun.elapsed() < crate::support::DEADLINE);
}
