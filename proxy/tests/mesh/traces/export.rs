//! How spans get to the collector, or don't.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use isthmus_core::trace::{Collector as Address, Protocol};
use isthmus_proxy::trace::{Roots, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Status;

use super::{Chain, VIP};
use crate::support::{
    address, client,
    control::Script,
    eventually,
    mesh::{Pod, deny, service},
    otlp::{Collector, behind_tls},
    soon,
};

fn outcome(name: &str) -> String {
    format!("isthmus_trace_spans_total{{outcome=\"{name}\"}}")
}

#[tokio::test]
async fn over_http_with_headers_from_a_file() {
    let collector = Collector::start(Protocol::Http).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "authorization: Bearer one\n").unwrap();
    let script = Script::start().await;
    script.set_policy("front", deny());
    let settings = Settings { headers_file: Some(file.path().into()), ..collector.settings() };
    let front = Pod::launch_with(&script, "front", &[], &[VIP], |config| config.trace = Some(settings));
    front.ready().await;
    script.set_destination(VIP.0, VIP.1, service(&[], None));
    client::get(front.call(0), "/").await.unwrap();
    collector.spans(1).await;
    std::fs::write(file.path(), "authorization: Bearer two\n").unwrap();
    client::get(front.call(0), "/").await.unwrap();
    collector.spans(2).await;
    let sent: Vec<_> = collector.headers().iter().map(|h| h["authorization"].to_str().unwrap().to_owned()).collect();
    assert_eq!(sent, ["Bearer one", "Bearer two"], "the file is read anew");
    assert_eq!(collector.headers()[0]["content-type"], "application/x-protobuf");
}

/// A caller whose one request is answered by nobody: it has a span all the same.
async fn alone(settings: Settings) -> (Script, Pod) {
    let script = Script::start().await;
    script.set_policy("front", deny());
    let front = Pod::launch_with(&script, "front", &[], &[VIP], |config| config.trace = Some(settings));
    front.ready().await;
    script.set_destination(VIP.0, VIP.1, service(&[], None));
    client::get(front.call(0), "/").await.unwrap();
    (script, front)
}

#[tokio::test]
async fn over_tls_to_a_collector_of_an_authority_that_is_trusted_and_to_no_other() {
    let folder = tempfile::tempdir().unwrap();
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let collector = Collector::start(protocol).await;
        let (addr, pem) = behind_tls(&collector).await;
        let (headers, file) = (folder.path().join("headers"), folder.path().join("ca.pem"));
        std::fs::write(&headers, "authorization: Bearer one\n").unwrap();
        std::fs::write(&file, &pem).unwrap();
        let with = |roots: Roots| Settings {
            collector: Address::new(&format!("https://{addr}"), protocol).unwrap(),
            headers_file: Some(headers.clone()),
            roots: Some(roots),
            ..collector.settings()
        };
        for (roots, spans) in [(Roots::File(file), 1), (Roots::Pem(pem), 2)] {
            let _alone = alone(with(roots)).await;
            collector.spans(spans).await;
        }
        assert_eq!(collector.headers()[1]["authorization"], "Bearer one");
        let (_, another) = behind_tls(&collector).await;
        let (_script, mut front) = alone(with(Roots::Pem(another))).await;
        // Its last words are tried once more, and then it is over.
        front.shutdown.cancel();
        soon("an end", &mut front.running).await.unwrap().unwrap();
        assert_eq!(collector.count(), 2, "what isn't trusted is told nothing");
    }
}

#[tokio::test]
async fn a_batch_that_may_be_taken_later_is_sent_again_and_one_that_never_will_be_is_not() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let mesh = Chain::of(Collector::start(protocol).await).await;
        mesh.collector.refuse(Status::unavailable("not yet"));
        mesh.told(&[]).await;
        mesh.collector.spans(2).await;
    }
    let mesh = Chain::start().await;
    mesh.collector.refuse(Status::invalid_argument("never"));
    mesh.told(&[]).await;
    mesh.collector.spans(1).await;
    eventually("the other's is given up", async || {
        let [front, mid] =
            [&mesh.front, &mesh.mid].map(|pod| pod.metric("isthmus_trace_spans_total{outcome=\"rejected\"}"));
        front.await + mid.await == 1.0
    })
    .await;
}

#[tokio::test]
async fn the_last_spans_are_sent_before_the_end() {
    let mesh = Chain::start().await;
    mesh.told(&[]).await;
    mesh.front.shutdown.cancel();
    let Chain { mut front, collector, .. } = mesh;
    soon("an end", &mut front.running).await.unwrap().unwrap();
    eventually("the caller's span", async || collector.count() > 0).await;
}

const REQUESTS: usize = 4000;

/// A caller that has made all these requests, every one recorded for a collector that takes none.
async fn in_vain(collector: SocketAddr, protocol: Protocol) -> Pod {
    let script = Script::start().await;
    script.set_policy("front", deny());
    let nowhere = Address::new(&format!("http://{collector}"), protocol).unwrap();
    let settings = Settings { sampling: "1".parse().unwrap(), ..Settings::new(nowhere) };
    let front = Pod::launch_with(&script, "front", &[], &[VIP], |config| config.trace = Some(settings));
    front.ready().await;
    let app = (address(), 8080).into();
    crate::support::app::http(app, "app").await;
    let endpoint = isthmus_core::destination::Endpoint::local(app, None, "shop/app");
    script.set_destination(VIP.0, VIP.1, service(&[endpoint], None));
    let bodies = client::many(front.call(0), "/", REQUESTS).await;
    assert_eq!(client::count(&bodies, "200 app"), REQUESTS);
    assert_eq!(front.metric(&outcome("exported")).await, 0.0);
    front
}

/// An end isn't held up by it for longer than its last words may take.
async fn ends(mut front: Pod) {
    let asked = Instant::now();
    front.shutdown.cancel();
    soon("an end", &mut front.running).await.unwrap().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_dead_collector_costs_no_request_and_the_queue_stays_within_its_bound() {
    let front = in_vain((address(), 4317).into(), Protocol::Grpc).await;
    let dropped = front.metric(&outcome("dropped-queue")).await as usize;
    // 2048 wait, and 512 are being sent.
    assert!((REQUESTS - 2048 - 512..REQUESTS).contains(&dropped), "{dropped}");
    ends(front).await;
}

/// It accepts, and then: resets, says what is no protocol at all, can't serve, hangs up in the middle of a word.
async fn broken() -> SocketAddr {
    let addr = (address(), 4317).into();
    let listener = tokio::net::TcpListener::bind(addr).await.unwrap();
    tokio::spawn(async move {
        let words: [&[u8]; 4] =
            [b"", b"SSH-2.0-nonsense\r\n", b"HTTP/1.1 500 No\r\ncontent-length: 5\r\n\r\nhello", b"HTTP/1.1 200"];
        for word in words.into_iter().cycle() {
            let (mut stream, _) = listener.accept().await.unwrap();
            if word.is_empty() {
                stream.set_zero_linger().unwrap();
                continue;
            }
            tokio::spawn(async move {
                let mut some = [0; 1024];
                let _ = stream.read(&mut some).await;
                let _ = stream.write_all(word).await;
            });
        }
    });
    addr
}

#[tokio::test]
async fn a_broken_collector_costs_no_request_and_each_span_has_one_outcome_at_most() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let front = in_vain(broken().await, protocol).await;
        let mut told = 0;
        for name in ["dropped-queue", "dropped-export", "rejected", "exported"] {
            told += front.metric(&outcome(name)).await as usize;
        }
        // The others wait, or are being sent.
        assert!((REQUESTS - 2048 - 512..=REQUESTS).contains(&told), "{protocol:?}: {told}");
        ends(front).await;
    }
}
