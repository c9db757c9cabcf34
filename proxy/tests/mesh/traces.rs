//! Traces: what a collector gets, and what applications are told.

mod export;
mod grpc;

use isthmus_api::otlp::v1::{span::SpanKind, status::StatusCode};
use isthmus_core::{
    telemetry::settings::{Settings, Tracing},
    trace::{Protocol, Ratio, SampledRoute},
};

use crate::support::{
    app, client,
    control::Script,
    eventually,
    mesh::{Pod, allow, backend, deny, id, path, service, split},
    otlp::{Collector, Recorded},
};

const VIP: (&str, u16) = ("10.96.0.1", 80);
const BEHIND: (&str, u16) = ("10.96.0.2", 80);

/// A caller, a callee that calls on, and one behind it.
struct Chain {
    script: Script,
    collector: Collector,
    front: Pod,
    mid: Pod,
    back: Pod,
}

impl Chain {
    async fn start() -> Self {
        Self::of(Collector::start(Protocol::Grpc).await).await
    }

    async fn of(collector: Collector) -> Self {
        let script = Script::start().await;
        script.set_policy("front", deny());
        script.set_policy("mid", allow(&[&id("front")]));
        script.set_policy("back", allow(&[&id("mid")]));
        let front = Pod::launch_with(&script, "front", &[], &[VIP], collector.edit());
        let mid = Pod::launch_with(&script, "mid", &[8080], &[BEHIND], collector.edit());
        let back = Pod::launch_with(&script, "back", &[8080], &[], collector.edit());
        for pod in [&front, &mid, &back] {
            pod.ready().await;
        }
        app::http((mid.app, 8080).into(), "mid").await;
        app::http((back.app, 8080).into(), "back").await;
        let canary = split(None, vec![(backend("mid-v1", 80, &[mid.endpoint(8080)]), 1)]);
        script.set_destination(VIP.0, VIP.1, service(&[], Some(canary)));
        script.set_destination(BEHIND.0, BEHIND.1, service(&[back.endpoint(8080)], None));
        Self { script, collector, front, mid, back }
    }

    /// The fields that the callee's application gets of a request with these.
    async fn told(&self, fields: &[(&'static str, &str)]) -> Vec<(String, String)> {
        told(&self.front, fields).await
    }
}

async fn told(pod: &Pod, fields: &[(&'static str, &str)]) -> Vec<(String, String)> {
    let mut request = client::request("/headers");
    for (name, value) in fields {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    let response = client::send(pod.call(0), request).await.unwrap();
    assert_eq!(response.status(), 200);
    let text = client::text(response).await;
    text.lines().map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.into(), v.into())).collect()
}

fn value<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of<'a>(spans: &'a [Recorded], pod: &str, kind: SpanKind) -> &'a Recorded {
    let mut found = spans.iter().filter(|s| s.pod == pod && s.span.kind() == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind:?} of {pod} in {spans:#?}"));
    assert!(found.next().is_none(), "doubled: {spans:#?}");
    first
}

#[tokio::test]
async fn a_request_and_what_comes_of_it_are_one_tree() {
    let mesh = Chain::start().await;
    let first = mesh.told(&[]).await;
    let context = value(&first, "traceparent");
    let second = told(&mesh.mid, &[("traceparent", context)]).await;
    let spans = mesh.collector.spans(4).await;
    let front = of(&spans, "front", SpanKind::Client);
    let received = of(&spans, "mid", SpanKind::Server);
    let sent = of(&spans, "mid", SpanKind::Client);
    let back = of(&spans, "back", SpanKind::Server);
    assert_eq!(front.span.parent_span_id.len(), 0, "the root");
    for (child, parent) in [(received, front), (sent, received), (back, sent)] {
        assert_eq!(child.span.parent_span_id, parent.span.span_id);
        assert_eq!(child.span.trace_id, parent.span.trace_id);
        assert!(child.span.start_time_unix_nano >= parent.span.start_time_unix_nano);
    }
    let written =
        |recorded: &Recorded| format!("00-{}-{}-03", hex(&recorded.span.trace_id), hex(&recorded.span.span_id));
    assert_eq!(context, written(received), "the application's parent is its own proxy's span");
    assert_eq!(value(&second, "traceparent"), written(back));
    let told = ["isthmus.split", "isthmus.backend", "isthmus.service", "isthmus.peer.id", "http.response.status_code"];
    let told = told.map(|key| front.attribute(key));
    assert_eq!(told, ["shop/canary", "shop/mid-v1", "shop/web", id("mid").as_str(), "200"]);
    assert_eq!(
        (received.attribute("isthmus.grant"), received.attribute("isthmus.peer.id")),
        ("shop/target", id("front").as_str())
    );
    assert_eq!(front.span.name, "GET shop/web");
    let exported = "isthmus_trace_spans_total{outcome=\"exported\"}";
    eventually("both are counted", async || mesh.mid.metric(exported).await == 2.0).await;
}

#[tokio::test]
async fn every_format_that_comes_in_goes_on() {
    let mesh = Chain::start().await;
    let trace = "80f198ee56343ba864fe8b2a57d3eff7";
    let b3 = format!("{trace}-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90");
    let uber = format!("{trace}:e457b5a2e4d86bd1:0:1");
    let fields = mesh.told(&[("b3", &b3), ("uber-trace-id", &uber), ("tracestate", "lost=1")]).await;
    let spans = mesh.collector.spans(2).await;
    let (front, mid) = (of(&spans, "front", SpanKind::Client), of(&spans, "mid", SpanKind::Server));
    assert_eq!(
        (hex(&front.span.trace_id).as_str(), hex(&front.span.parent_span_id).as_str()),
        (trace, "e457b5a2e4d86bd1")
    );
    let (parent, own) = (hex(&front.span.span_id), hex(&mid.span.span_id));
    assert_eq!(value(&fields, "b3"), format!("{trace}-{own}-1-{parent}"));
    assert_eq!(value(&fields, "uber-trace-id"), format!("{trace}:{own}:0:1"));
    assert_eq!(value(&fields, "traceparent"), format!("00-{trace}-{own}-01"));
    assert_eq!((value(&fields, "tracestate"), value(&fields, "x-b3-traceid")), ("", ""));
}

#[tokio::test]
async fn what_is_not_recorded_is_passed_on_as_it_came() {
    let mesh = Chain::start().await;
    let parent = "00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-00";
    let fields = mesh.told(&[("traceparent", parent), ("tracestate", "a=1,b=2")]).await;
    assert_eq!((value(&fields, "traceparent"), value(&fields, "tracestate")), (parent, "a=1,b=2"));
    // B3's way to say so before there is a trace.
    let fields = mesh.told(&[("b3", "0")]).await;
    let (b3, w3c) = (value(&fields, "b3"), value(&fields, "traceparent"));
    assert!(b3.ends_with("-0") && w3c.ends_with("-02"), "{b3} {w3c}");
    assert_eq!(b3.split('-').take(2).collect::<Vec<_>>(), w3c.split('-').skip(1).take(2).collect::<Vec<_>>());
    // Anything recorded comes after it.
    mesh.told(&[]).await;
    mesh.collector.spans(2).await;
}

#[tokio::test]
async fn without_a_collector_trace_context_is_none_of_the_proxys_business() {
    let script = Script::start().await;
    script.set_policy("front", deny());
    script.set_policy("mid", allow(&[&id("front")]));
    let front = Pod::start(&script, "front", &[], &[VIP]).await;
    let mid = Pod::start(&script, "mid", &[8080], &[]).await;
    app::http((mid.app, 8080).into(), "mid").await;
    script.set_destination(VIP.0, VIP.1, service(&[mid.endpoint(8080)], None));
    let fields = told(&front, &[("traceparent", "what-ever"), ("tracestate", "x"), ("b3", "0")]).await;
    let all = ["traceparent", "tracestate", "b3", "uber-trace-id"].map(|name| value(&fields, name));
    assert_eq!(all, ["what-ever", "x", "0", ""]);
}

#[tokio::test]
async fn a_denied_request_and_a_failed_one_say_why() {
    let mesh = Chain::start().await;
    mesh.script.set_policy("mid", deny());
    mesh.script.acknowledged("mid", &isthmus_api::encode::inbound_key()).await;
    let denied = client::get(mesh.front.call(0), "/").await.unwrap();
    assert_eq!(denied.status(), 403);
    client::text(denied).await;
    let spans = mesh.collector.spans(2).await;
    let (front, mid) = (of(&spans, "front", SpanKind::Client), of(&spans, "mid", SpanKind::Server));
    assert_eq!((mid.attribute("isthmus.deny"), mid.attribute("isthmus.grant")), ("no-grant", ""));
    assert_eq!(mid.span.status, None, "to the callee it is the caller's mistake");
    assert_eq!(front.attribute("error.type"), "403");
    assert_eq!(front.span.status.as_ref().unwrap().code(), StatusCode::Error);

    mesh.script.set_destination(VIP.0, VIP.1, service(&[], None));
    let key = isthmus_core::destination::DestinationKey { host: VIP.0.into(), port: VIP.1 };
    mesh.script.acknowledged("front", &isthmus_api::encode::destination_key(&key)).await;
    assert_eq!(client::get(mesh.front.call(0), "/").await.unwrap().status(), 503);
    let spans = mesh.collector.spans(3).await;
    let failed = &spans.last().unwrap();
    assert_eq!((failed.attribute("error.type"), failed.attribute("isthmus.error")), ("no-endpoints", "no-endpoints"));
}

#[tokio::test]
async fn a_request_that_is_tried_again_has_one_span() {
    let mesh = Chain::start().await;
    // Its application isn't there: the other is tried.
    let dead = Pod::launch_with(&mesh.script, "dead", &[8080], &[], mesh.collector.edit());
    mesh.script.set_policy("dead", allow(&[&id("front")]));
    dead.ready().await;
    let both = [dead.endpoint(8080), mesh.mid.endpoint(8080)];
    mesh.script.set_destination(VIP.0, VIP.1, service(&both, None));
    let key = isthmus_core::destination::DestinationKey { host: VIP.0.into(), port: VIP.1 };
    mesh.told(&[]).await;
    mesh.script.acknowledged("front", &isthmus_api::encode::destination_key(&key)).await;
    let bodies = client::many(mesh.front.call(0), "/", 19).await;
    assert_eq!(client::count(&bodies, "200 mid"), 19);
    let retried = mesh.front.metric("isthmus_retries_total{after=\"unreached\"}").await;
    assert!(retried >= 1.0);
    let retried = retried as usize;
    let spans = mesh.collector.spans(40 + retried).await;
    let sent: Vec<_> = spans.iter().filter(|s| s.pod == "front").collect();
    assert_eq!(sent.len(), 20);
    let again: Vec<_> = sent.iter().filter(|s| s.attribute("http.request.resend_count") == "1").collect();
    assert_eq!(again.len(), retried);
    for span in again {
        assert_eq!(
            (span.attribute("isthmus.peer.id"), span.attribute("http.response.status_code")),
            (id("mid").as_str(), "200")
        );
        let below = spans.iter().filter(|s| s.span.parent_span_id == span.span.span_id);
        let mut below: Vec<_> = below.map(|s| s.pod.as_str()).collect();
        below.sort_unstable();
        assert_eq!(below, ["dead", "mid"], "each that was asked has a span below the one request");
    }
    assert_eq!(mesh.back.metric("isthmus_trace_spans_total{outcome=\"exported\"}").await, 0.0);
}

#[tokio::test]
async fn a_namespace_says_what_is_recorded_while_proxies_run() {
    let mesh = Chain::start().await;
    let pay = SampledRoute { matches: vec![path("/headers")], ratio: Ratio::per_million(1_000_000) };
    let tracing = Tracing { sample: Some(Ratio::per_million(0)), routes: vec![pay] };
    mesh.script.set_telemetry("front", Settings { tracing, ..Settings::default() });
    mesh.script.acknowledged("front", &isthmus_api::encode::telemetry_key()).await;
    client::many(mesh.front.call(0), "/", 5).await;
    mesh.told(&[]).await;
    let spans = mesh.collector.spans(2).await;
    assert_eq!(of(&spans, "mid", SpanKind::Server).attribute("url.path"), "/headers", "the callee follows the caller");
}
