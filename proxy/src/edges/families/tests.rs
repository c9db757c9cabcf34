use std::time::Duration;

use super::*;
use crate::{
    edges::{
        Answer, Key,
        table::tests::{key, table},
    },
    metrics::Direction,
};

fn own() -> Workload {
    Workload {
        mesh: "east.local".into(),
        namespace: "shop".into(),
        kind: "Deployment".into(),
        name: "web".into(),
        pod: "web-1".into(),
        ..Workload::default()
    }
}

fn answer(status: u16, failed: bool) -> Answer {
    Answer { status, failed, took: Duration::from_millis(3), received: 0, sent: 0 }
}

fn rendered(families: &[Family], edges: &[Arc<Edge>]) -> String {
    let mut out = String::new();
    render(&mut out, families, &own(), edges, &[]);
    out
}

fn expect(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|l| l == *line), "no {line} in\n{text}");
    }
    let series = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    let names: Vec<&str> = series.map(|(name, _)| name).collect();
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(names.len(), distinct.len(), "a series twice in\n{text}");
}

/// Two callers of one workload, one of them by gRPC.
fn inbound() -> Vec<Arc<Edge>> {
    let table = table(10);
    let http = table.find(key(1));
    http.answer(answer(200, false));
    http.answer(answer(404, false));
    http.answer(answer(0, true));
    let grpc = table.find(Key { protocol: Protocol::Grpc, ..key(2) });
    grpc.answer(answer(200, false));
    grpc.answer(answer(200, true));
    vec![http, grpc]
}

#[test]
fn linkerd_has_one_set_of_series_for_a_pod() {
    let text = rendered(&[Family::Linkerd], &inbound());
    let of = "direction=\"inbound\",namespace=\"shop\",pod=\"web-1\",deployment=\"web\"";
    let lines = [
        format!("response_total{{{of},classification=\"success\",status_code=\"200\"}} 2"),
        format!("response_total{{{of},classification=\"failure\",status_code=\"200\"}} 1"),
        format!("response_total{{{of},classification=\"success\",status_code=\"404\"}} 1"),
        format!("response_total{{{of},classification=\"failure\",status_code=\"0\"}} 1"),
        format!("response_total{{{of},classification=\"failure\",status_code=\"500\"}} 0"),
        format!("response_latency_ms_bucket{{{of},le=\"2.5\"}} 0"),
        format!("response_latency_ms_bucket{{{of},le=\"5\"}} 5"),
        format!("response_latency_ms_sum{{{of}}} 15"),
        format!("response_latency_ms_count{{{of}}} 5"),
    ];
    expect(&text, &lines.each_ref().map(String::as_str));
}

#[test]
fn osm_and_istio_tell_callers_apart() {
    let text = rendered(&[Family::Osm, Family::Istio], &inbound());
    let osm = "source_mesh=\"west.local\",source_namespace=\"shop\",source_kind=\"Deployment\",source_name=\"api\",source_pod=\"api-1\",\
               destination_namespace=\"shop\",destination_kind=\"Deployment\",destination_name=\"web\",destination_pod=\"web-1\",\
               destination_service=\"shop/web\",request_protocol=\"http\"";
    let istio = "reporter=\"destination\",source_workload=\"api\",source_workload_namespace=\"shop\",\
                 destination_workload=\"web\",destination_workload_namespace=\"shop\",destination_service=\"web.shop.svc\",\
                 destination_service_name=\"web\",destination_service_namespace=\"shop\",request_protocol=\"http\",\
                 connection_security_policy=\"mutual_tls\"";
    let lines = [
        format!("osm_request_total{{{osm},response_code=\"200\"}} 1"),
        format!("osm_request_total{{{osm},response_code=\"500\"}} 0"),
        format!("osm_request_duration_ms_bucket{{{osm},le=\"5\"}} 3"),
        format!("istio_requests_total{{{istio},response_code=\"404\"}} 1"),
        format!("istio_requests_total{{{istio},response_code=\"500\"}} 0"),
        format!("istio_request_duration_milliseconds_bucket{{{istio},le=\"+Inf\"}} 3"),
    ];
    expect(&text, &lines.each_ref().map(String::as_str));
}

#[test]
fn who_is_not_in_the_mesh_is_unknown_and_tcp_is_no_request() {
    let table = table(10);
    let stranger = table.find(Key { peer: None, service: "".into(), ..key(1) });
    let tcp = table.find(Key { protocol: Protocol::Tcp, ..key(3) });
    tcp.ended(false);
    let text = rendered(&Family::ALL, &[stranger, tcp]);
    expect(&text, &[]);
    assert!(
        text.contains("source_workload=\"unknown\"") && text.contains("connection_security_policy=\"none\""),
        "{text}"
    );
    assert!(!text.contains("\"tcp\""), "{text}");
    assert_eq!(rendered(&[], &inbound()), "");
}

#[test]
fn a_caller_tells_whom_it_calls() {
    let table = table(10);
    let out = Key { direction: Direction::Outbound, client: "".into(), backend: "shop/web-v1".into(), ..key(1) };
    let nobody = Key { peer: None, ..out.clone() };
    let (edge, unreached) = (table.find(out), table.find(nobody));
    edge.answer(answer(200, false));
    unreached.answer(answer(503, true));
    let text = rendered(&Family::ALL, &[edge, unreached]);
    let of = "direction=\"outbound\",namespace=\"shop\",pod=\"web-1\",deployment=\"web\",dst_namespace=\"shop\",dst_service=\"web\"";
    let lines = [
        format!("response_total{{{of},dst_deployment=\"api\",classification=\"success\",status_code=\"200\"}} 1"),
        format!("response_total{{{of},classification=\"failure\",status_code=\"503\"}} 1"),
    ];
    expect(&text, &lines.each_ref().map(String::as_str));
    assert!(text.contains("reporter=\"source\"") && !text.contains("osm_"), "{text}");
}

/// What Prometheus would take for a restart.
#[test]
fn a_sum_does_not_step_back_when_an_edge_is_let_go() {
    let table = table(10);
    let (stays, goes) =
        (table.find(key(1)), table.find(Key { client: "spiffe://west.local/ns/shop/sa/other".into(), ..key(1) }));
    stays.answer(answer(200, false));
    goes.answer(answer(200, false));
    let page = |families: &[Family]| {
        let (edges, gone) = table.all_and_gone();
        let mut out = String::new();
        render(&mut out, families, &own(), &edges, &gone);
        (edges.len(), out)
    };
    let (_, before) = page(&[Family::Linkerd, Family::Istio]);
    let now = std::time::Instant::now();
    table.sweep(now);
    drop(goes);
    table.sweep(now + crate::limits::EDGE_IDLE);
    let (edges, after) = page(&[Family::Linkerd, Family::Istio]);
    assert_eq!((edges, after), (1, before));
    drop(stays);
}
