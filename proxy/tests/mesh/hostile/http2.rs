//! HTTP/2 made to hurt. The connection that does it ends, or is held to its bounds; another client of the same worker is served.

use std::{
    cell::Cell,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{Full, StreamBody};
use hyper::{body::Frame, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use isthmus_proxy::limits::{
    CLIENT_STREAMS, CONNECTION_WINDOW, HEAD_BYTES, HEADER_FIELDS, RESETS, STREAM_SEND_BUFFER, STREAM_WINDOW,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::rig::{Door, Io, PORT, Rig};
use crate::support::{
    app, client, eventually,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, field, frame, hello, parse, request,
    },
    soon,
};

/// Longest that a well-behaved client waits for an answer meanwhile, on a machine that is busy with other things too.
const PATIENCE: Duration = Duration::from_secs(5);

async fn connect(rig: &Rig, door: Door) -> Box<dyn Io> {
    if door == Door::Mesh { Box::new(rig.mesh("isthmus-h2").await) } else { rig.connect(door).await }
}

/// A well-behaved client of the worker that the door belongs to, served again and again until it is told to stop; how often.
async fn bystander(rig: &Rig, door: Door, stop: tokio_util::sync::CancellationToken) -> usize {
    let addr = if door == Door::Outbound { rig.caller.call(0) } else { (rig.callee.ip, PORT).into() };
    let mut served = 0;
    while !stop.is_cancelled() || served == 0 {
        let asked = Instant::now();
        assert_eq!(client::many(addr, "/", 1).await, ["200 app"], "{door:?}");
        assert!(asked.elapsed() < PATIENCE, "{door:?}: {:?}", asked.elapsed());
        served += 1;
    }
    served
}

/// Sends up to `most` pieces, and drains what comes back. The proxy must close before, or right after.
async fn is_closed(mut io: Box<dyn Io>, piece: impl Fn(u32) -> Vec<u8>, most: u32) -> Vec<u8> {
    io.write_all(&hello()).await.unwrap();
    let (mut read, mut write) = tokio::io::split(io);
    let hearing = async {
        let mut heard = Vec::new();
        let _ = read.read_to_end(&mut heard).await;
        heard
    };
    let sending = async {
        for n in 0..most {
            if write.write_all(&piece(n)).await.is_err() {
                return;
            }
        }
        std::future::pending().await
    };
    soon("the connection is closed", async {
        tokio::pin!(hearing);
        tokio::select! {
            heard = &mut hearing => heard,
            () = sending => hearing.await,
        }
    })
    .await
}

async fn flood(name: &str, piece: impl Fn(u32) -> Vec<u8> + Copy, most: u32) {
    let rig = Rig::open().await;
    app::http((rig.callee.app, PORT).into(), "app").await;
    for door in Door::DIRECT {
        let io = connect(&rig, door).await;
        let stop = tokio_util::sync::CancellationToken::new();
        let attack = async {
            is_closed(io, piece, most).await;
            stop.cancel();
        };
        let ((), served) = tokio::join!(attack, bystander(&rig, door, stop.clone()));
        assert!(served > 0, "{name} {door:?}");
    }
}

#[tokio::test]
async fn settings() {
    flood("SETTINGS", |_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]).repeat(50), 1000).await;
}

#[tokio::test]
async fn pings() {
    flood("PING", |_| frame(PING, 0, 0, &[7; 8]).repeat(50), 1000).await;
}

#[tokio::test]
async fn priorities() {
    flood("PRIORITY", |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]).repeat(50), 1000).await;
}

#[tokio::test]
async fn window_updates() {
    flood("WINDOW_UPDATE", |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(50), 1000).await;
}

#[tokio::test]
async fn unknown_frames() {
    flood("unknown", |_| frame(0xbe, 0, 0, &[]).repeat(50), 1000).await;
}

#[tokio::test]
async fn empty_data() {
    let open = frame(HEADERS, END_HEADERS, 1, &request("POST", "/echo"));
    let open = &open;
    let empty = move |n| if n == 0 { open.clone() } else { frame(DATA, 0, 1, &[]).repeat(50) };
    flood("empty DATA", empty, 1000).await;
}

#[tokio::test]
async fn continuations() {
    let begin = [request("GET", "/"), field("x-a", "1")].concat();
    let begin = &begin;
    let piece = move |n| {
        if n == 0 { frame(HEADERS, END_STREAM, 1, begin) } else { frame(CONTINUATION, 0, 1, &field("x-a", "1")) }
    };
    flood("CONTINUATION", piece, 1000).await;
    // Empty ones don't add up to anything, but for their number.
    let piece = move |n| if n == 0 { frame(HEADERS, END_STREAM, 1, begin) } else { frame(CONTINUATION, 0, 1, &[]) };
    flood("empty CONTINUATION", piece, 1000).await;
}

#[tokio::test]
async fn header_bombs() {
    // One field of 4,000 bytes is remembered (HPACK's literal with indexing), then named by one byte, again and again.
    let value = "b".repeat(3900);
    let remembered = [&[0x40][..], &field("x-bomb", &value)[1..]].concat();
    let bomb = [request("GET", "/"), remembered, vec![0xbe; 10_000]].concat();
    let bomb = &bomb;
    flood("HPACK bomb", move |n| frame(HEADERS, END_STREAM | END_HEADERS, n * 2 + 1, bomb), 100).await;
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_refused_and_the_connection_goes_on() {
    let rig = Rig::open().await;
    app::http((rig.callee.app, PORT).into(), "app").await;
    let get = |fields: usize, value: &str| {
        let mut request = http::Request::get("http://web/");
        for n in 0..fields {
            request = request.header(format!("x-{n}"), value);
        }
        request.body(Full::<Bytes>::default()).unwrap()
    };
    let quarter = "a".repeat(HEAD_BYTES / 4);
    for addr in [rig.caller.call(0), (rig.callee.ip, PORT).into()] {
        let mut client = client::http2(addr).await.unwrap();
        for (request, status) in [
            (get(HEADER_FIELDS + 1, "1"), 431),
            (get(4, &quarter), 431),
            (get(3, &quarter[..4096]), 200),
            (get(10, "1"), 200),
        ] {
            client.ready().await.unwrap();
            let answer = soon("an answer", client.send_request(request)).await.unwrap();
            assert_eq!(answer.status(), status, "{addr}");
        }
    }
}

/// An HTTP/2 application that counts the requests that it is asked.
async fn counting(rig: &Rig) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    app::tcp((rig.callee.app, PORT).into(), move |stream| {
        let counted = Arc::clone(&counted);
        async move {
            let service = service_fn(|_| {
                counted.fetch_add(1, Ordering::SeqCst);
                std::future::ready(Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from("app")))))
            });
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await;
    asked
}

#[tokio::test]
async fn rapid_resets() {
    let rig = Rig::open().await;
    let asked = counting(&rig).await;
    let head = request("GET", "/");
    let pair = |n: u32| {
        let stream = n * 2 + 1;
        [frame(HEADERS, END_STREAM | END_HEADERS, stream, &head), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    for door in Door::DIRECT {
        let io = connect(&rig, door).await;
        let before = asked.load(Ordering::SeqCst);
        let stop = tokio_util::sync::CancellationToken::new();
        let attack = async {
            is_closed(io, pair, 50_000).await;
            stop.cancel();
        };
        let ((), served) = tokio::join!(attack, bystander(&rig, door, stop.clone()));
        let reached = asked.load(Ordering::SeqCst) - before - served;
        // What comes back each second is little beside what is allowed at once.
        assert!(
            reached <= usize::try_from(RESETS).unwrap() * 3,
            "{door:?}: {reached} requests reached the application"
        );
    }
}

#[tokio::test]
async fn more_streams_than_allowed() {
    let rig = Rig::open().await;
    app::http((rig.callee.app, PORT).into(), "app").await;
    let head = request("POST", "/echo");
    for door in Door::DIRECT {
        let mut io = connect(&rig, door).await;
        // Within the bound, and waiting for their bodies.
        let open: Vec<u8> = (0..CLIENT_STREAMS).flat_map(|n| frame(HEADERS, END_HEADERS, n * 2 + 1, &head)).collect();
        io.write_all(&[hello(), open].concat()).await.unwrap();
        // Beyond it: refused, each by a reset.
        let more: Vec<u8> =
            (CLIENT_STREAMS..CLIENT_STREAMS + 20).flat_map(|n| frame(HEADERS, END_HEADERS, n * 2 + 1, &head)).collect();
        io.write_all(&more).await.unwrap();
        let mut heard = Vec::new();
        let refused = loop {
            let read = soon("resets", io.read_buf(&mut heard)).await.unwrap();
            let frames = parse(&heard).0;
            let refused: Vec<u32> =
                frames.iter().filter(|(kind, _, code)| *kind == RST_STREAM && code[3] == 7).map(|f| f.1).collect();
            if refused.len() >= 20 || read == 0 {
                break refused;
            }
        };
        assert!(refused.len() >= 20 && refused.iter().all(|s| *s > CLIENT_STREAMS * 2), "{door:?}: {refused:?}");
        let addr = if door == Door::Outbound { rig.caller.call(0) } else { (rig.callee.ip, PORT).into() };
        assert_eq!(client::many(addr, "/", 1).await, ["200 app"], "{door:?}");
        // One that goes on and on ends.
        let io = connect(&rig, door).await;
        is_closed(io, |n| frame(HEADERS, END_HEADERS, n * 2 + 1, &head), 20_000).await;
    }
}

/// An application with an endless answer, which counts what it could hand over.
async fn endless(rig: &Rig) -> Arc<AtomicUsize> {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    app::tcp((rig.callee.app, PORT).into(), move |stream| {
        let counted = Arc::clone(&counted);
        async move {
            let service = service_fn(|asked: http::Request<hyper::body::Incoming>| {
                let counted = Arc::clone(&counted);
                let endless = asked.uri().path() == "/endless";
                let body = futures::stream::unfold(endless, move |more| {
                    let counted = Arc::clone(&counted);
                    async move {
                        more.then(|| {
                            counted.fetch_add(16 << 10, Ordering::SeqCst);
                            (Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 16 << 10]))), true)
                        })
                    }
                });
                std::future::ready(Ok::<_, Infallible>(http::Response::new(StreamBody::new(Box::pin(body)))))
            });
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http2().max_send_buf_size(16 << 10);
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await;
    sent
}

#[tokio::test]
async fn a_client_that_never_reads_holds_a_bounded_amount() {
    let rig = Rig::open().await;
    let sent = endless(&rig).await;
    const STREAMS: u32 = 100;
    for door in Door::DIRECT {
        let before = sent.load(Ordering::SeqCst);
        let mut io = connect(&rig, door).await;
        // Windows as large as can be, and nothing is ever read.
        let mut bytes =
            [crate::support::frames::PREFACE, &frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff])].concat();
        bytes.extend(frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xfe, 0, 0]));
        bytes.extend(
            (0..STREAMS).flat_map(|n| frame(HEADERS, END_STREAM | END_HEADERS, n * 2 + 1, &request("GET", "/endless"))),
        );
        io.write_all(&bytes).await.unwrap();
        // It ends to grow: nothing more is handed over between two looks that another client's requests lie between.
        let (last, still) = (Cell::new(0), Cell::new(0));
        eventually("the application is held back", async || {
            let addr = if door == Door::Outbound { rig.caller.call(0) } else { (rig.callee.ip, PORT).into() };
            assert_eq!(client::many(addr, "/", 1).await, ["200 "], "{door:?}");
            let now = sent.load(Ordering::SeqCst);
            still.set(if now == last.replace(now) { still.get() + 1 } else { 0 });
            still.get() >= 20
        })
        .await;
        let streams = usize::try_from(STREAMS).unwrap();
        let hops = if door == Door::Outbound { 2 } else { 1 };
        // Per stream: what waits to be sent and the window of the hop behind it, bounded by the connection's; per hop: what the
        // kernel buffers on both sides.
        let windows = (streams * STREAM_WINDOW as usize).min(8 * CONNECTION_WINDOW as usize);
        let bound = hops * (streams * (STREAM_SEND_BUFFER + (32 << 10)) + windows + (16 << 20));
        let held = sent.load(Ordering::SeqCst) - before;
        assert!(held <= bound, "{door:?}: {held} bytes are held, at most {bound} may be");
        assert!(held > 0, "{door:?}");
    }
}

#[tokio::test]
async fn paths_and_authorities_of_http2() {
    let rig = Rig::open().await;
    let asked = counting(&rig).await;
    for door in Door::DIRECT {
        let before = asked.load(Ordering::SeqCst);
        for (path, authority, more) in [
            ("/a/../b", "web", vec![]),
            ("/a%2e%2e/../b", "web", vec![]),
            ("admin", "web", vec![]),
            ("*", "web", vec![]),
            ("/", "user@web", vec![]),
            ("/", "a,b", vec![]),
            ("/", "we b", vec![]),
            ("/", "web", vec![("connection", "close")]),
            ("/", "web", vec![("transfer-encoding", "chunked")]),
            ("/", "web", vec![("content-length", "1"), ("content-length", "2")]),
            ("/", "web", vec![("content-length", "5")]),
            ("/", "web", vec![("host", "a"), ("host", "b")]),
            ("/", "web", vec![("x", "a\r\nb: c")]),
            ("/", "web", vec![("x", "a\0b")]),
            ("/", "web", vec![("X-Upper", "1")]),
            ("/", "web", vec![("te", "gzip")]),
        ] {
            let mut head = [field(":method", "GET"), field(":scheme", "http"), field(":path", path)].concat();
            head.extend(field(":authority", authority));
            more.iter().for_each(|(name, value)| head.extend(field(name, value)));
            let mut io = connect(&rig, door).await;
            let bytes = [hello(), frame(HEADERS, END_STREAM | END_HEADERS, 1, &head)].concat();
            io.write_all(&bytes).await.unwrap();
            let mut heard = Vec::new();
            // An answer, a reset or the end: something comes of it.
            loop {
                let done = parse(&heard).0.iter().any(|(kind, stream, _)| {
                    *kind == GOAWAY || (*stream == 1 && matches!(*kind, HEADERS | RST_STREAM))
                });
                if done || soon("a verdict", io.read_buf(&mut heard)).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            let ok = parse(&heard).0.iter().any(|(kind, _, head)| *kind == HEADERS && head[0] == 0x88);
            assert!(!ok, "{door:?} {path} {authority} {more:?}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), before, "{door:?}");
    }
}
