//! What sidecars count of who talks to whom, in their metrics and in what they tell the controller.

#[path = "../../../crates/runtime/src/metrics/contract.rs"]
mod contract;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use isthmus_api::control::v1::{Direction, Edge, EdgeProtocol};
use isthmus_core::destination::{Endpoint, Remote};

use crate::{
    protocols::{Pair, VIP},
    support::{
        app,
        client::{self, Talk},
        eventually,
        mesh::{Pod, id, service},
    },
};

/// The labels of both ends, as either sidecar has them.
fn ends(of: &str) -> String {
    let end = |end: &str, name: &str| {
        format!(
            "{end}_mesh=\"isthmus.local\",{end}_namespace=\"shop\",{end}_workload_kind=\"Deployment\",\
             {end}_workload=\"{name}\",{end}_pod=\"{name}\""
        )
    };
    format!("{},{},service=\"shop/web\",protocol=\"{of}\"", end("source", "caller"), end("destination", "callee"))
}

/// What a series of that name and those labels comes to at both ends.
async fn both(pair: &Pair, name: &str, labels: &str, of: &str, value: f64) {
    let outbound = format!("isthmus_outbound_{name}{{{},backend=\"shop/web\",split=\"\",{labels}}}", ends(of));
    let inbound = format!("isthmus_inbound_{name}{{{},client=\"{}\",{labels}}}", ends(of), id("caller"));
    eventually(&outbound, async || pair.caller.counted(&outbound).await == value).await;
    eventually(&inbound, async || pair.callee.counted(&inbound).await == value).await;
}

#[tokio::test]
async fn both_ends_name_each_other_and_count_the_same() {
    let pair = Pair::http().await;
    for _ in 0..3 {
        let request = Request::post("/stream").header("host", "web").body(Full::new(Bytes::from("12345"))).unwrap();
        let answer = client::send(pair.caller.call(0), request).await.unwrap();
        assert_eq!(client::text(answer).await, "12345");
    }
    both(&pair, "requests_total", "class=\"2xx\"", "http", 3.0).await;
    both(&pair, "requests_total", "class=\"5xx\"", "http", 0.0).await;
    both(&pair, "responses_total", "classification=\"success\"", "http", 3.0).await;
    both(&pair, "responses_total", "classification=\"failure\"", "http", 0.0).await;
    both(&pair, "latency_seconds_count", "", "http", 3.0).await;
    both(&pair, "latency_seconds_bucket", "le=\"60\"", "http", 3.0).await;
    both(&pair, "bytes_total", "way=\"received\"", "http", 15.0).await;
    both(&pair, "bytes_total", "way=\"sent\"", "http", 15.0).await;
    let open = format!("isthmus_inbound_open_connections{{{}}}", ends("http"));
    assert_eq!(pair.callee.metric(&open).await, 1.0);
}

#[tokio::test]
async fn grpc_fails_by_its_own_status() {
    let pair = Pair::http().await;
    let mut sender = client::http2(pair.caller.call(0)).await.unwrap();
    for (status, times) in [("0", 2), ("5", 1), ("13", 3)] {
        for _ in 0..times {
            let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static(status))]);
            let body = Full::new(Bytes::from("call")).with_trailers(std::future::ready(Some(Ok(trailers))));
            let request = Request::post("http://web/echo").header("content-type", "application/grpc");
            let request = request.header("te", "trailers").body(body).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            answer.into_body().collect().await.unwrap();
        }
    }
    both(&pair, "responses_total", "classification=\"success\"", "grpc", 3.0).await;
    both(&pair, "responses_total", "classification=\"failure\"", "grpc", 3.0).await;
    both(&pair, "requests_total", "class=\"2xx\"", "grpc", 6.0).await;
}

#[tokio::test]
async fn a_connection_is_counted_while_it_lasts() {
    let pair = Pair::start(9000).await;
    app::echo((pair.callee.app, 9000).into()).await;
    let mut talk = Talk::open(pair.caller.call(0)).await;
    assert_eq!(talk.ask("hello").await, "hello");
    both(&pair, "tcp_connections_total", "", "tcp", 1.0).await;
    both(&pair, "open_connections", "", "tcp", 1.0).await;
    both(&pair, "bytes_total", "way=\"received\"", "tcp", 6.0).await;
    both(&pair, "bytes_total", "way=\"sent\"", "tcp", 6.0).await;
    both(&pair, "responses_total", "classification=\"success\"", "tcp", 0.0).await;
    assert_eq!(talk.finish().await, "");
    both(&pair, "open_connections", "", "tcp", 0.0).await;
    both(&pair, "responses_total", "classification=\"success\"", "tcp", 1.0).await;
}

/// While the client is silent, its sidecar opens the server, which might speak first. That is no traffic.
#[tokio::test]
async fn a_request_that_comes_late_is_one_request() {
    let pair = Pair::http().await;
    let mut late = Talk::open(pair.caller.call(0)).await;
    let opened = "isthmus_tls_handshakes_total{direction=\"inbound\",outcome=\"ok\"}";
    eventually("the server is opened", async || pair.callee.counted(opened).await == 1.0).await;
    late.say("GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r").await;
    let mut answer = vec![late.line().await];
    while answer.len() < 10 && answer.last().is_some_and(|line| line != "app") {
        answer.push(late.line().await);
    }
    assert_eq!((&*answer[0], &**answer.last().unwrap()), ("HTTP/1.1 200 OK", "app"), "{answer:?}");
    both(&pair, "responses_total", "classification=\"success\"", "http", 1.0).await;
    // The connection for requests alone is left.
    let open = "isthmus_open_connections{direction=\"inbound\"}";
    eventually("the other has ended", async || pair.callee.counted(open).await == 1.0).await;
    for (pod, of) in [(&pair.caller, "isthmus_outbound_"), (&pair.callee, "isthmus_inbound_")] {
        let metrics = pod.metrics().await;
        let tcp = metrics.lines().find(|line| line.starts_with(of) && line.contains("protocol=\"tcp\""));
        assert_eq!(tcp, None);
    }
}

#[tokio::test]
async fn whoever_is_outside_the_mesh_is_unknown() {
    let pair = Pair::http().await;
    let outside = Endpoint::local((pair.callee.app, 8080).into(), None, "");
    pair.script.set_destination("db.shop", 80, service(&[outside], None));
    let request = Request::get("http://db.shop/").body(Full::default()).unwrap();
    assert_eq!(client::text(client::send(pair.caller.explicit(), request).await.unwrap()).await, "app");
    let sent = "isthmus_outbound_requests_total{source_pod=\"caller\",destination_mesh=\"unknown\",\
                destination_workload=\"unknown\",service=\"shop/web\",class=\"2xx\"}";
    eventually("sent", async || pair.caller.counted(sent).await == 1.0).await;
    // A plain caller is denied, and its request is counted all the same.
    assert_eq!(client::get((pair.callee.ip, 8080).into(), "/").await.unwrap().status(), 403);
    let denied = "isthmus_inbound_requests_total{source_mesh=\"unknown\",source_pod=\"unknown\",service=\"\",\
                  client=\"none\",class=\"4xx\"}";
    eventually("denied", async || pair.callee.counted(denied).await == 1.0).await;
}

#[tokio::test]
async fn an_endpoint_that_can_not_be_reached_has_failed() {
    let pair = Pair::http().await;
    let gone = Endpoint::local((pair.callee.app, 1).into(), Some(id("gone")), "shop/gone-0");
    pair.script.set_destination("db.shop", 80, service(&[gone], None));
    let request = Request::get("http://db.shop/").body(Full::default()).unwrap();
    assert_eq!(client::send(pair.caller.explicit(), request).await.unwrap().status(), 503);
    let failed = "isthmus_outbound_responses_total{destination_namespace=\"shop\",destination_pod=\"gone-0\",\
                  destination_workload=\"unknown\",protocol=\"http\",classification=\"failure\"}";
    eventually("failed", async || pair.caller.counted(failed).await == 1.0).await;
}

#[tokio::test]
async fn with_no_room_for_edges_nothing_is_counted_of_them() {
    let script = crate::support::control::Script::start().await;
    let spec = crate::support::mesh::Spec { name: "caller", ports: &[], calls: &[VIP], edit: |c| c.metrics_edges = 0 };
    script.set_policy("caller", crate::support::mesh::allow(&[]));
    let caller = Pod::launch(&script, spec);
    caller.ready().await;
    app::http((caller.app, 8080).into(), "app").await;
    let app = Endpoint::local((caller.app, 8080).into(), None, "");
    script.set_destination(VIP.0, VIP.1, service(&[app], None));
    assert_eq!(client::text(client::get(caller.call(0), "/").await.unwrap()).await, "app");
    assert!(!caller.metrics().await.contains("isthmus_outbound_"));
    assert_eq!(caller.metric("isthmus_open_connections{direction=\"outbound\"}").await, 0.0);
}

#[tokio::test]
async fn metrics_are_those_of_the_contract() {
    let pair = Pair::http().await;
    assert_eq!(client::get(pair.caller.call(0), "/").await.unwrap().status(), 200);
    let remote = Remote { server_name: "p80.db.shop.svc.west.mesh".into(), mesh: "west".parse().unwrap(), stale: true };
    let remote = Endpoint { remote: Some(remote), ..Endpoint::local((pair.callee.app, 1).into(), Some(id("db")), "") };
    pair.script.set_destination("db.shop", 80, service(&[remote], None));
    let request = Request::get("http://db.shop/").body(Full::default()).unwrap();
    assert_eq!(client::send(pair.caller.explicit(), request).await.unwrap().status(), 503);
    let tcp = Pair::start(9000).await;
    app::echo((tcp.callee.app, 9000).into()).await;
    assert_eq!(Talk::open(tcp.caller.call(0)).await.ask("hello").await, "hello");
    let mut told = String::new();
    for pod in [&pair.caller, &pair.callee, &tcp.caller, &tcp.callee] {
        told += &pod.metrics().await;
    }
    // There is no collector of spans.
    contract::check("Proxy", &told, &["isthmus_trace_spans_total"]);
}

/// What the pod has told of its edges so far, summed up: successes, failures, requests by latency, bytes received and sent.
fn sums(pair: &Pair, pod: &str, direction: Direction) -> [u64; 5] {
    let of = |edge: &Edge| {
        assert_eq!(edge.protocol(), EdgeProtocol::Http);
        let service = edge.service.as_ref().map(|s| format!("{}/{}", s.namespace, s.name));
        assert_eq!(service.as_deref(), Some("shop/web"));
        let latency: u64 = edge.latency.iter().sum();
        [edge.successes, edge.failures, latency, edge.bytes_received, edge.bytes_sent]
    };
    let edges = pair.script.traffic(pod).into_iter().flat_map(|traffic| traffic.edges);
    let edges = edges.filter(|edge| edge.direction() == direction);
    edges.map(|edge| of(&edge)).fold([0; 5], |sum, of| std::array::from_fn(|n| sum[n] + of[n]))
}

#[tokio::test]
async fn the_controller_hears_of_every_request_once_also_after_it_was_away() {
    let pair = Pair::http().await;
    let ask = async |times: usize| {
        for _ in 0..times {
            let request = Request::post("/stream").header("host", "web").body(Full::new(Bytes::from("12"))).unwrap();
            assert_eq!(client::text(client::send(pair.caller.call(0), request).await.unwrap()).await, "12");
        }
    };
    let told = async |what: &str, requests: u64| {
        let sums_are = [requests, 0, requests, requests * 2, requests * 2];
        for (pod, direction) in [("caller", Direction::Outbound), ("callee", Direction::Inbound)] {
            eventually(what, async || sums(&pair, pod, direction) == sums_are).await;
        }
    };
    ask(5).await;
    told("the first requests", 5).await;
    let peers: Vec<_> =
        pair.script.traffic("callee").into_iter().flat_map(|t| t.edges).filter_map(|e| e.peer).collect();
    assert!(peers.iter().all(|peer| (peer.kind.as_str(), peer.pod.as_str()) == ("Deployment", "caller")));
    ask(3).await;
    told("those after the first report", 8).await;
    pair.script.stop();
    for pod in [&pair.caller, &pair.callee] {
        eventually("the loss is seen", async || pod.metric("isthmus_control_connected").await == 0.0).await;
    }
    ask(4).await;
    pair.script.resume().await;
    told("those of the time without a session", 12).await;
    ask(2).await;
    told("those after it", 14).await;
}
