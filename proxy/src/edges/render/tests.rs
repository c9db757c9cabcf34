use std::time::Duration;

use super::*;
use crate::edges::{
    Answer, Edges, Key, Open,
    table::tests::{key, table},
};

fn rendered(table: &Edges) -> String {
    let mut out = String::new();
    render(&mut out, &table.own(), &table.all());
    out
}

#[test]
fn an_edge_is_told_in_full() {
    let table = table(10);
    let edge = table.find(key(1));
    edge.answer(Answer { status: 200, failed: false, took: Duration::from_millis(3), received: 5, sent: 7 });
    edge.answer(Answer { status: 404, failed: false, took: Duration::from_secs(61), received: 0, sent: 0 });
    let text = rendered(&table);
    let labels = "source_mesh=\"west.local\",source_namespace=\"shop\",source_workload_kind=\"Deployment\",\
                  source_workload=\"api\",source_pod=\"api-1\",destination_mesh=\"east.local\",\
                  destination_namespace=\"shop\",destination_workload_kind=\"unknown\",destination_workload=\"unknown\",\
                  destination_pod=\"unknown\",service=\"shop/web\",protocol=\"http\",\
                  client=\"spiffe://west.local/ns/shop/sa/api\"";
    let lines = [
        format!("isthmus_inbound_requests_total{{{labels},class=\"2xx\"}} 1"),
        format!("isthmus_inbound_requests_total{{{labels},class=\"4xx\"}} 1"),
        format!("isthmus_inbound_requests_total{{{labels},class=\"5xx\"}} 0"),
        format!("isthmus_inbound_responses_total{{{labels},classification=\"success\"}} 2"),
        format!("isthmus_inbound_responses_total{{{labels},classification=\"failure\"}} 0"),
        format!("isthmus_inbound_latency_seconds_bucket{{{labels},le=\"0.0025\"}} 0"),
        format!("isthmus_inbound_latency_seconds_bucket{{{labels},le=\"0.005\"}} 1"),
        format!("isthmus_inbound_latency_seconds_bucket{{{labels},le=\"60\"}} 1"),
        format!("isthmus_inbound_latency_seconds_bucket{{{labels},le=\"+Inf\"}} 2"),
        format!("isthmus_inbound_latency_seconds_sum{{{labels}}} 61.003"),
        format!("isthmus_inbound_latency_seconds_count{{{labels}}} 2"),
        format!("isthmus_inbound_bytes_total{{{labels},way=\"received\"}} 5"),
        format!("isthmus_inbound_bytes_total{{{labels},way=\"sent\"}} 7"),
        format!("isthmus_inbound_open_connections{{{labels}}} 0"),
        "# TYPE isthmus_inbound_latency_seconds histogram".to_owned(),
    ];
    for line in lines {
        assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
    }
    assert!(!text.contains("class=\"3xx\"") && !text.contains("tcp") && !text.contains("outbound"));
}

#[test]
fn a_connection_is_counted_while_it_is_open() {
    let table = table(10);
    let key = Key { direction: Direction::Outbound, protocol: Protocol::Tcp, peer: None, client: "".into(), ..key(1) };
    let open = Open::on(&table.find(Key { backend: "shop/\"\\\n".into(), ..key }));
    open.edge().moved(0, 9);
    let text = rendered(&table);
    assert!(text.contains("protocol=\"tcp\",backend=\"shop/\\\"\\\\\\n\",split=\"\"} 1\n"), "{text}");
    assert!(text.contains("destination_pod=\"unknown\",service=\"shop/web\""));
    let names = ["responses_total", "bytes_total", "tcp_connections_total", "open_connections"];
    assert!(names.iter().all(|name| text.contains(&format!("# TYPE isthmus_outbound_{name} "))), "{text}");
    assert!(!text.contains("requests_total") && !text.contains("latency"));
    drop(open);
    assert!(rendered(&table).contains("split=\"\"} 0\n"));
}
