use std::{collections::BTreeMap, sync::Arc, time::Duration};

use isthmus_core::{
    deny::DenyCode,
    id::ObjectName,
    telemetry::Workload,
    trace::{Context, SpanId, TraceId},
};

use super::*;
use crate::{fault::Fault, trace::span::Peer};

pub(in crate::trace) fn finished(direction: Direction) -> Finished {
    let peer = |addr: &str, id: &str, kind: &str, name: &str, pod: &str| Peer {
        addr: addr.parse().unwrap(),
        identity: Some(id.parse().unwrap()),
        workload: Some(Arc::new(Workload {
            kind: kind.into(),
            name: name.into(),
            pod: pod.into(),
            ..Workload::default()
        })),
    };
    let callee = peer("10.1.2.3:8080", "spiffe://west.example/ns/shop/sa/web", "Deployment", "web", "web-1");
    let caller = peer("10.1.0.9:4711", "spiffe://east.example/ns/shop/sa/front", "StatefulSet", "front", "front-0");
    Finished {
        direction,
        context: Context {
            trace: TraceId::new([1; 16]).unwrap(),
            span: SpanId::new([2; 8]).unwrap(),
            parent: SpanId::new([3; 8]),
            sampled: true,
            debug: false,
            random: true,
        },
        state: "vendor=1".into(),
        begun: UNIX_EPOCH + Duration::from_secs(10),
        took: Duration::from_millis(5),
        method: Method::GET,
        authority: "web:8080".into(),
        path: "/cart".into(),
        version: Version::HTTP_11,
        grpc: None,
        status: 200,
        fault: None,
        denied: None,
        caller,
        callee: Some(callee),
        resent: 0,
        service: "shop/web".into(),
        backend: "shop/web-v2".into(),
        split: Some("shop/canary".into()),
        grant: Some(ObjectName::new("shop", "front-to-web")),
    }
}

fn told(span: &Span) -> BTreeMap<&str, String> {
    let value = |a: &KeyValue| match a.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let told: BTreeMap<_, _> = span.attributes.iter().map(|a| (&*a.key, value(a))).collect();
    assert_eq!(told.len(), span.attributes.len(), "an attribute twice: {:?}", span.attributes);
    told
}

fn check(span: &Span, expected: &[(&str, &str)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    assert_eq!(told(span), expected);
}

#[test]
fn the_callers_span() {
    let span = span(Finished { resent: 1, ..finished(Direction::Outbound) });
    assert_eq!((span.name.as_str(), span.kind()), ("GET shop/web", SpanKind::Client));
    assert_eq!(
        (&span.trace_id[..], &span.span_id[..], &span.parent_span_id[..]),
        (&[1; 16][..], &[2; 8][..], &[3; 8][..])
    );
    assert_eq!((span.flags, span.trace_state.as_str()), (0x303, "vendor=1"));
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (10_000_000_000, 10_005_000_000));
    assert_eq!(span.status, None);
    check(
        &span,
        &[
            ("http.request.method", "GET"),
            ("http.request.resend_count", "1"),
            ("http.response.status_code", "200"),
            ("isthmus.backend", "shop/web-v2"),
            ("isthmus.peer.id", "spiffe://west.example/ns/shop/sa/web"),
            ("isthmus.peer.mesh", "west.example"),
            ("isthmus.peer.pod", "web-1"),
            ("isthmus.peer.workload", "Deployment/web"),
            ("isthmus.service", "shop/web"),
            ("isthmus.split", "shop/canary"),
            ("network.peer.address", "10.1.2.3"),
            ("network.peer.port", "8080"),
            ("network.protocol.name", "http"),
            ("network.protocol.version", "1.1"),
            ("server.address", "web"),
            ("server.port", "8080"),
            ("url.full", "http://web:8080/cart"),
        ],
    );
}

#[test]
fn the_callees_span() {
    let span = span(Finished { service: "".into(), ..finished(Direction::Inbound) });
    assert_eq!((span.name.as_str(), span.kind()), ("GET", SpanKind::Server));
    check(
        &span,
        &[
            ("client.address", "10.1.0.9"),
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("isthmus.grant", "shop/front-to-web"),
            ("isthmus.peer.id", "spiffe://east.example/ns/shop/sa/front"),
            ("isthmus.peer.mesh", "east.example"),
            ("isthmus.peer.pod", "front-0"),
            ("isthmus.peer.workload", "StatefulSet/front"),
            ("network.peer.address", "10.1.0.9"),
            ("network.peer.port", "4711"),
            ("network.protocol.name", "http"),
            ("network.protocol.version", "1.1"),
            ("server.address", "web"),
            ("server.port", "8080"),
            ("url.path", "/cart"),
            ("url.scheme", "http"),
        ],
    );
}

#[test]
fn a_call_of_grpc_is_named_after_its_method() {
    let of = |path: &str, status| Finished { path: path.into(), grpc: Some(status), ..finished(Direction::Outbound) };
    let call = span(of("/shop.v1.Cart/Add", Some(5)));
    assert_eq!(call.name, "shop.v1.Cart/Add");
    let told = told(&call);
    let rpc =
        ["rpc.system", "rpc.service", "rpc.method", "rpc.grpc.status_code", "error.type"].map(|key| told[key].as_str());
    assert_eq!(rpc, ["grpc", "shop.v1.Cart", "Add", "5", "5"]);
    assert_eq!(span(of("/nonsense", None)).name, "GET shop/web");
}

#[test]
fn a_clients_mistake_is_no_failure_of_the_server() {
    let ended = |direction, status, grpc| {
        let ended = Ended::of(&Finished { status, grpc, ..finished(direction) });
        (ended.failed, ended.error.map(|e| e.into_owned()).unwrap_or_default())
    };
    use Direction::{Inbound, Outbound};
    assert_eq!(ended(Outbound, 404, None), (true, "404".into()));
    assert_eq!(ended(Inbound, 404, None), (false, String::new()));
    assert_eq!(ended(Inbound, 503, None), (true, "503".into()));
    assert_eq!(ended(Inbound, 0, None), (true, "cancelled".into()));
    assert_eq!(ended(Outbound, 200, Some(Some(0))), (false, String::new()));
    assert_eq!(ended(Outbound, 200, Some(Some(5))), (true, "5".into()));
    assert_eq!(ended(Inbound, 200, Some(Some(5))), (false, String::new()));
    assert_eq!(ended(Inbound, 200, Some(Some(13))), (true, "13".into()));
    let lost = Ended::of(&Finished { status: 502, fault: Some(Fault::Closed), ..finished(Outbound) });
    assert_eq!(lost.error.as_deref(), Some("upstream-closed"));
}

#[test]
fn a_denial_says_why_and_audit_that_it_would_have_been_one() {
    let denied = Finished { denied: Some(DenyCode::Route), grant: None, status: 403, ..finished(Direction::Inbound) };
    let audited = span(Finished { status: 200, denied: denied.denied, grant: None, ..finished(Direction::Inbound) });
    assert_eq!(told(&audited).get("isthmus.audit").map(String::as_str), Some("route"));
    let denied = span(Finished { callee: None, ..denied });
    let told = told(&denied);
    assert_eq!(told.get("isthmus.deny").map(String::as_str), Some("route"));
    // To the callee it is the client's mistake.
    assert!(!told.contains_key("error.type") && denied.status.is_none());
}

#[test]
fn what_a_client_makes_up_has_no_series_of_its_own() {
    let odd = span(Finished { method: Method::from_bytes(b"FROBNICATE").unwrap(), ..finished(Direction::Outbound) });
    assert_eq!((odd.name.as_str(), told(&odd)["http.request.method"].as_str()), ("HTTP shop/web", "_OTHER"));
    let named: Arc<str> = "".into();
    let nowhere = span(Finished { authority: "[fd00::7]".into(), service: named, ..finished(Direction::Outbound) });
    let told = told(&nowhere);
    assert_eq!((told["server.address"].as_str(), told["server.port"].as_str()), ("fd00::7", "80"));
}
