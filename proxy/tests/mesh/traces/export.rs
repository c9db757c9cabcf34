//! How spans get to the collector, or don't.

use std::time::{Duration, Instant};

use isthmus_core::trace::{Collector as Address, Protocol};
use isthmus_proxy::trace::Settings;
use tonic::Status;

use super::{Chain, VIP};
use crate::support::{
    address, client,
    control::Script,
    eventually,
    mesh::{Pod, deny, service},
    otlp::Collector,
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

#[tokio::test]
async fn a_dead_collector_costs_no_request_and_the_queue_stays_within_its_bound() {
    const REQUESTS: usize = 4000;
    let script = Script::start().await;
    script.set_policy("front", deny());
    let nowhere = Address::new(&format!("http://{}:4317", address()), Protocol::Grpc).unwrap();
    let settings = Settings { sampling: "1".parse().unwrap(), ..Settings::new(nowhere) };
    let front = Pod::launch_with(&script, "front", &[], &[VIP], |config| config.trace = Some(settings));
    front.ready().await;
    let app = (address(), 8080).into();
    crate::support::app::http(app, "app").await;
    let endpoint = isthmus_core::destination::Endpoint::local(app, None, "shop/app");
    script.set_destination(VIP.0, VIP.1, service(&[endpoint], None));
    let bodies = client::many(front.call(0), "/", REQUESTS).await;
    assert_eq!(client::count(&bodies, "200 app"), REQUESTS);
    let dropped = front.metric(&outcome("dropped-queue")).await as usize;
    // 2048 wait, and 512 are being sent.
    assert!((REQUESTS - 2048 - 512..REQUESTS).contains(&dropped), "{dropped}");
    assert_eq!(front.metric(&outcome("exported")).await, 0.0);
    // An end isn't held up by it for longer than its last words may take.
    let asked = Instant::now();
    front.shutdown.cancel();
    let mut front = front;
    soon("an end", &mut front.running).await.unwrap().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}
