//! What is sent again, and what never is.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use isthmus_core::destination::Endpoint;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{Two, VIP, says};
use crate::support::{app, client, eventually, mesh::service, soon};

const UNREACHED: &str = "isthmus_retries_total{after=\"unreached\"}";

fn plain(addr: SocketAddr) -> Endpoint {
    Endpoint::local(addr, None, "shop/plain")
}

#[tokio::test]
async fn an_application_that_takes_no_connections_is_found_out_and_others_are_tried() {
    let mesh = Two::start().await;
    app::http((mesh.two.app, 8080).into(), "two").await;
    let both = [mesh.one.endpoint(8080), mesh.two.endpoint(8080)];
    mesh.script.set_destination(VIP.0, VIP.1, service(&both, None));
    let bodies = client::many(mesh.caller.call(0), "/", 20).await;
    assert_eq!(client::count(&bodies, "200 two"), 20, "{bodies:?}");
    assert!(mesh.caller.metric(UNREACHED).await >= 1.0);
}

#[tokio::test]
async fn a_body_is_sent_again_from_its_beginning() {
    let mesh = Two::start().await;
    app::http((mesh.two.app, 8080).into(), "two").await;
    let both = [mesh.one.endpoint(8080), mesh.two.endpoint(8080)];
    mesh.script.set_destination(VIP.0, VIP.1, service(&both, None));
    let text = "0123456789abcdef".repeat(1 << 10);
    // Once for each endpoint that could be tried first, and then some.
    for _ in 0..20 {
        let request = Request::post("/echo").header("host", "web").body(Full::from(text.clone())).unwrap();
        let response = client::send(mesh.caller.call(0), request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(client::text(response).await, text);
    }
    let mut h2 = client::http2::<Full<Bytes>>(mesh.caller.call(0)).await.unwrap();
    for _ in 0..5 {
        let request = Request::post("http://web/echo").body(Full::from(text.clone())).unwrap();
        let response = soon("an answer", h2.send_request(request)).await.unwrap();
        assert_eq!(client::text(response).await, text);
    }
    assert!(mesh.caller.metric(UNREACHED).await >= 1.0);
}

#[tokio::test]
async fn with_nowhere_else_to_go_the_answer_says_whose_fault_it_is() {
    let mesh = Two::start().await;
    mesh.script.set_destination(VIP.0, VIP.1, service(&[mesh.one.endpoint(8080), mesh.two.endpoint(8080)], None));
    let response = client::get(mesh.caller.call(0), "/").await.unwrap();
    assert_eq!(
        (response.status().as_u16(), client::field(&response, "x-isthmus-error").as_str()),
        (503, "app-unreachable")
    );
    assert_eq!(mesh.caller.metric(UNREACHED).await, 1.0);
}

/// What only a proxy may say isn't believed of an application, in the mesh or outside it.
#[tokio::test]
async fn an_application_cannot_have_its_requests_repeated() {
    const FORGED: &[u8] =
        b"HTTP/1.1 503 No\r\nx-isthmus-error: app-unreachable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let mesh = Two::start().await;
    let outside: SocketAddr = (crate::support::address(), 8080).into();
    let asked = [
        says((mesh.one.app, 8080).into(), FORGED).await,
        says((mesh.two.app, 8080).into(), FORGED).await,
        says(outside, FORGED).await,
    ];
    let all = [mesh.one.endpoint(8080), mesh.two.endpoint(8080), plain(outside)];
    mesh.script.set_destination(VIP.0, VIP.1, service(&all, None));
    for n in 1..=30 {
        let response = client::get(mesh.caller.call(0), "/").await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(asked.iter().map(|a| a.load(Ordering::Relaxed)).sum::<usize>(), n);
    }
    assert!(asked.iter().all(|a| a.load(Ordering::Relaxed) > 0), "{asked:?}");
    assert_eq!(mesh.caller.metric(UNREACHED).await, 0.0);
    mesh.script.set_destination(VIP.0, VIP.1, service(&[mesh.one.endpoint(8080)], None));
    let taken_out = async || client::field(&client::get(mesh.caller.call(0), "/").await.unwrap(), "x-isthmus-error");
    eventually("the callee's proxy lets no such word pass", async || taken_out().await.is_empty()).await;
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_repeated_whatever_its_method() {
    let mesh = Two::start().await;
    // Reads the request and closes without a word.
    let asked = [says((mesh.one.app, 8080).into(), b"").await, says((mesh.two.app, 8080).into(), b"").await];
    mesh.script.set_destination(VIP.0, VIP.1, service(&[mesh.one.endpoint(8080), mesh.two.endpoint(8080)], None));
    for (n, method) in ["GET", "HEAD", "PUT", "DELETE", "POST"].into_iter().enumerate() {
        let request = Request::builder().method(method).uri("/").header("host", "web").body(Full::default()).unwrap();
        let response = client::send(mesh.caller.call(0), request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), client::field(&response, "x-isthmus-error").as_str()),
            (502, "upstream-closed")
        );
        assert_eq!(asked.iter().map(|a| a.load(Ordering::Relaxed)).sum::<usize>(), n + 1, "{method}");
    }
}

/// An HTTP/2 application whose first connection ends by `frames` once a request has come; how many requests it has answered.
async fn refusing(addr: SocketAddr, frames: &'static [u8]) -> Arc<AtomicUsize> {
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    let listener = TcpListener::bind(addr).await.unwrap();
    tokio::spawn(async move {
        let (first, _) = listener.accept().await.unwrap();
        tokio::spawn(refuse(first, frames));
        while let Ok((stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            let service = service_fn(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
                async { Ok::<_, std::convert::Infallible>(http::Response::new(Full::<Bytes>::from("taken"))) }
            });
            let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(http2.serve_connection(TokioIo::new(stream), service));
        }
    });
    answered
}

/// Says SETTINGS, waits for HEADERS (type 1), says its frames, and goes on listening.
async fn refuse(mut stream: TcpStream, frames: &[u8]) {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const PREFACE: usize = 24;
    stream.write_all(&SETTINGS).await.unwrap();
    stream.read_exact(&mut [0; PREFACE]).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        if head[3] == 1 {
            break;
        }
    }
    stream.write_all(frames).await.unwrap();
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

async fn refused(frames: &'static [u8]) -> (http::StatusCode, usize) {
    let mesh = Two::start().await;
    let addr: SocketAddr = (crate::support::address(), 8080).into();
    let answered = refusing(addr, frames).await;
    mesh.script.set_destination(VIP.0, VIP.1, service(&[plain(addr)], None));
    let mut h2 = client::http2::<Full<Bytes>>(mesh.caller.call(0)).await.unwrap();
    let request = Request::get("http://web/").body(Full::default()).unwrap();
    let response = soon("an answer", h2.send_request(request)).await.unwrap();
    (response.status(), answered.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_stream_that_a_goaway_leaves_out_is_sent_on_a_new_connection() {
    // Last stream 0, NO_ERROR.
    assert_eq!(refused(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await, (http::StatusCode::OK, 1));
}

#[tokio::test]
async fn a_refused_stream_is_sent_again() {
    // RST_STREAM of stream 1, REFUSED_STREAM.
    assert_eq!(refused(&[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7]).await, (http::StatusCode::OK, 1));
}

#[tokio::test]
async fn a_stream_that_was_reset_otherwise_is_not_sent_again() {
    // RST_STREAM of stream 1, INTERNAL_ERROR.
    let bad_gateway = http::StatusCode::BAD_GATEWAY;
    assert_eq!(refused(&[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2]).await, (bad_gateway, 0));
    // GOAWAY that has the stream in, then the end.
    const GONE: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8];
    assert_eq!(refused(GONE).await, (bad_gateway, 0));
}
