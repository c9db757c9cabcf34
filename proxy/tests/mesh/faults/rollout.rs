//! Pods that go while requests come: nobody notices.

use std::{net::SocketAddr, time::Duration};

use isthmus_api::encode::destination_key;
use isthmus_core::destination::DestinationKey;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{Two, VIP};
use crate::{
    lifecycle::steady,
    support::{
        app, client, eventually,
        mesh::{Pod, service},
    },
};

/// An application that stops in order: it takes no connection more, and ends each that it has with its next answer.
struct Stopping {
    stop: watch::Sender<bool>,
    listening: tokio::task::JoinHandle<()>,
}

impl Stopping {
    async fn start(addr: SocketAddr) -> Self {
        let (stop, stopping) = watch::channel(false);
        let listener = TcpListener::bind(addr).await.unwrap();
        let listening = tokio::spawn(async move {
            let mut told = stopping.clone();
            loop {
                tokio::select! {
                    accepted = listener.accept() => drop(tokio::spawn(converse(accepted.unwrap().0, stopping.clone()))),
                    _ = told.wait_for(|stop| *stop) => break,
                }
            }
            // Who has connected already has perhaps sent a request: closing now would reset it, which no caller could
            // tell from a request that was cut short.
            let listener = listener.into_std().unwrap();
            while let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(true).unwrap();
                tokio::spawn(converse(TcpStream::from_std(stream).unwrap(), stopping.clone()));
            }
        });
        Self { stop, listening }
    }

    /// The listener is closed once this has returned.
    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.listening.await.unwrap();
    }
}

async fn converse(stream: TcpStream, stopping: watch::Receiver<bool>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        while line.trim_end() != "" || line.is_empty() {
            line.clear();
            if stream.read_line(&mut line).await.is_ok_and(|n| n == 0) {
                return;
            }
        }
        let last = *stopping.borrow();
        let close = if last { "connection: close\r\n" } else { "" };
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{close}\r\nok");
        if stream.write_all(answer.as_bytes()).await.is_err() || last {
            return;
        }
    }
}

/// The application stops listening first, the callers hear of it later, and the sidecar ends somewhere between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_callees_are_replaced() {
    let mut mesh = Two::start().await;
    let key = destination_key(&DestinationKey { host: VIP.0.into(), port: VIP.1 });
    let mut one = Stopping::start((mesh.one.app, 8080).into()).await;
    app::http((mesh.two.app, 8080).into(), "two").await;
    mesh.script.set_destination(VIP.0, VIP.1, service(&[mesh.one.endpoint(8080), mesh.two.endpoint(8080)], None));
    let (stop, stopped) = watch::channel(false);
    let load: Vec<_> = (0..20).map(|_| tokio::spawn(steady(mesh.caller.call(0), stopped.clone()))).collect();
    for round in 0..4 {
        let open = "isthmus_open_connections{direction=\"inbound\"}";
        eventually("it is in use", async || mesh.one.metric(open).await > 0.0).await;
        one.stop().await;
        // Sometimes the sidecar is told before the callers are.
        if round % 2 == 0 {
            mesh.one.shutdown.cancel();
        }
        let unreached = "isthmus_retries_total{after=\"unreached\"}";
        let before = mesh.caller.metric(unreached).await;
        eventually("it is called in vain", async || mesh.caller.metric(unreached).await > before || round > 0).await;
        mesh.script.set_destination(VIP.0, VIP.1, service(&[mesh.two.endpoint(8080)], None));
        mesh.script.acknowledged("caller", &key).await;
        mesh.one.shutdown.cancel();
        eventually("the sidecar has ended", async || mesh.one.running.is_finished()).await;
        mesh.one = Pod::start(&mesh.script, "one", &[8080], &[]).await;
        one = Stopping::start((mesh.one.app, 8080).into()).await;
        mesh.script.set_destination(VIP.0, VIP.1, service(&[mesh.one.endpoint(8080), mesh.two.endpoint(8080)], None));
        mesh.script.acknowledged("caller", &key).await;
    }
    stop.send(true).unwrap();
    for task in load {
        let (sent, failure) = task.await.unwrap();
        assert!(failure.is_none() && sent > 10, "{sent} {failure:?}");
    }
}

/// A sidecar that is asked to end goes on serving for as long as somebody calls.
#[tokio::test]
async fn a_draining_callee_still_serves_until_its_callers_have_left() {
    let mesh = Two::start().await;
    app::http((mesh.one.app, 8080).into(), "one").await;
    mesh.script.set_destination(VIP.0, VIP.1, service(&[mesh.one.endpoint(8080)], None));
    let mut kept = client::http1(mesh.caller.call(0)).await.unwrap();
    let ask = async |kept: &mut client::Http1| {
        kept.ready().await.unwrap();
        let response = kept.send_request(client::request("/")).await.unwrap();
        assert_eq!(response.status(), 200, "{:?}", response.headers());
        client::text(response).await
    };
    assert_eq!(ask(&mut kept).await, "one");
    mesh.one.shutdown.cancel();
    eventually("not ready", async || client::get(mesh.one.admin, "/ready").await.is_ok_and(|r| r.status() == 503))
        .await;
    // The kept connection between the proxies, and new ones.
    for _ in 0..5 {
        assert_eq!(ask(&mut kept).await, "one");
    }
    mesh.script.set_destination(VIP.0, VIP.1, service(&[], None));
    let begun = std::time::Instant::now();
    eventually("the sidecar has ended", async || mesh.one.running.is_finished()).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
}
