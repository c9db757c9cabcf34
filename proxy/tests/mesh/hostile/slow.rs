//! Clients that take their time: cut off where they hold a place for nothing, left alone where waiting is what they do.

use std::time::{Duration, Instant};

use isthmus_core::inbound::{InboundPolicy, PolicyMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::rig::{Door, Io, PORT, Rig, status};
use crate::support::{app, client, soon};

const BRIEF: Duration = Duration::from_millis(700);

/// Bounds that a test can wait for.
async fn impatient() -> Rig {
    let open = InboundPolicy { mode: PolicyMode::Permissive, ..InboundPolicy::default() };
    let rig = Rig::start(open, |config| {
        config.bounds.inbound_idle = BRIEF;
        config.bounds.body_stall = BRIEF;
    })
    .await;
    app::http((rig.callee.app, PORT).into(), "app").await;
    rig
}

async fn rest(io: &mut Box<dyn Io>) -> String {
    let mut heard = Vec::new();
    let _ = soon("the end", io.read_to_end(&mut heard)).await;
    String::from_utf8_lossy(&heard).into()
}

const AT_THE_CALLEE: [Door; 2] = [Door::Plaintext, Door::Mesh];

#[tokio::test]
async fn half_a_head_is_not_waited_for() {
    let rig = impatient().await;
    for door in AT_THE_CALLEE {
        for head in ["GET / HTTP/1.1\r\nhost: web\r\n\r\nGET / HTTP/1.1\r\nhos", "GET / HTTP/1.1\r\nhost: web\r\n\r\n"]
        {
            let mut io = rig.connect(door).await;
            io.write_all(head.as_bytes()).await.unwrap();
            let answer = rest(&mut io).await;
            assert_eq!((status(&answer), answer.matches("HTTP/1.1 200").count()), ("200", 1), "{door:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_body_that_stops_is_not_waited_for() {
    let rig = impatient().await;
    for door in AT_THE_CALLEE {
        for begun in ["content-length: 10\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
            let mut io = rig.connect(door).await;
            io.write_all(format!("POST /echo HTTP/1.1\r\nhost: web\r\n{begun}").as_bytes()).await.unwrap();
            let answer = rest(&mut io).await;
            assert_eq!(status(&answer), "408", "{door:?}: {answer}");
            assert!(answer.contains("x-isthmus-error: request-stalled"), "{door:?}: {answer}");
        }
    }
    assert_eq!(client::many(rig.caller.call(0), "/", 1).await, ["200 app"]);
}

#[tokio::test]
async fn a_body_that_goes_on_may_take_long() {
    let rig = impatient().await;
    for door in AT_THE_CALLEE {
        let mut io = rig.connect(door).await;
        io.write_all(b"POST /echo HTTP/1.1\r\nhost: web\r\nconnection: close\r\ncontent-length: 8\r\n\r\n")
            .await
            .unwrap();
        let begun = Instant::now();
        for byte in b"slow but" {
            // Pauses are what this is about; together they are longer than one may be.
            tokio::time::sleep(BRIEF / 6).await;
            io.write_all(&[*byte]).await.unwrap();
        }
        assert!(begun.elapsed() > BRIEF);
        let answer = rest(&mut io).await;
        assert_eq!(status(&answer), "200", "{door:?}: {answer}");
        assert!(answer.contains("slow but"), "{door:?}: {answer}");
    }
}

#[tokio::test]
async fn streams_and_upgraded_connections_may_be_silent() {
    let rig = impatient().await;
    for door in AT_THE_CALLEE {
        let mut io = rig.connect(door).await;
        io.write_all(b"GET /upgrade HTTP/1.1\r\nhost: web\r\nconnection: upgrade\r\nupgrade: shout\r\n\r\n")
            .await
            .unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            assert!(soon("a change of protocol", io.read_buf(&mut heard)).await.unwrap() > 0, "{door:?}");
        }
        tokio::time::sleep(BRIEF * 2).await;
        io.write_all(b"hello").await.unwrap();
        let mut word = [0; 5];
        soon("an echo", io.read_exact(&mut word)).await.unwrap();
        assert_eq!(&word, b"HELLO", "{door:?}");
    }
    let (sender, body) =
        tokio::sync::mpsc::channel::<Result<hyper::body::Frame<bytes::Bytes>, std::convert::Infallible>>(1);
    let body = http_body_util::StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(body));
    let mut client = client::http2((rig.callee.ip, PORT).into()).await.unwrap();
    let request = http::Request::post("http://web/stream").body(body).unwrap();
    let answer = soon("an answer", client.send_request(request)).await.unwrap();
    tokio::time::sleep(BRIEF * 2).await;
    sender.send(Ok(hyper::body::Frame::data("late".into()))).await.unwrap();
    drop(sender);
    assert_eq!(soon("the body", async { client::text(answer).await }).await, "late");
}

#[tokio::test]
async fn half_a_handshake_is_not_waited_for() {
    let rig = impatient().await;
    let mut io = rig.connect(Door::Plaintext).await;
    io.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await.unwrap();
    let begun = Instant::now();
    // Never a ClientHello: it is opaque TCP in the end, which the application, speaking HTTP, closes.
    let _ = rest(&mut io).await;
    assert!(begun.elapsed() >= isthmus_proxy::limits::HANDSHAKE_TIME / 2);
    assert_eq!(client::many(rig.caller.call(0), "/", 1).await, ["200 app"]);
}
