//! Calls of gRPC. The application is another collector: a service of gRPC like any.

use isthmus_api::otlp::v1::{
    ExportTraceServiceRequest, span::SpanKind, status::StatusCode, trace_service_client::TraceServiceClient,
};
use isthmus_core::trace::Protocol;
use tonic::{Status, transport::Endpoint};

use super::{VIP, of};
use crate::support::{
    control::Script,
    mesh::{Pod, allow, deny, id, service},
    otlp::{Collector, Recorded},
    soon,
};

#[tokio::test]
async fn a_call_has_its_own_name_and_status() {
    let collector = Collector::start(Protocol::Grpc).await;
    let script = Script::start().await;
    script.set_policy("front", deny());
    script.set_policy("mid", allow(&[&id("front")]));
    let front = Pod::launch_with(&script, "front", &[], &[VIP], collector.edit());
    let mid = Pod::launch_with(&script, "mid", &[8080], &[], collector.edit());
    front.ready().await;
    mid.ready().await;
    script.set_destination(VIP.0, VIP.1, service(&[mid.endpoint(8080)], None));
    let app = Collector::start_at((mid.app, 8080).into(), Protocol::Grpc).await;
    let channel = Endpoint::from_shared(format!("http://{}", front.call(0))).unwrap().connect().await.unwrap();
    let mut client = TraceServiceClient::new(channel);

    soon("an answer", client.export(ExportTraceServiceRequest::default())).await.unwrap();
    let spans = collector.spans(2).await;
    for recorded in [of(&spans, "front", SpanKind::Client), of(&spans, "mid", SpanKind::Server)] {
        assert_eq!(recorded.span.name, "opentelemetry.proto.collector.trace.v1.TraceService/Export");
        let told = ["rpc.system", "rpc.service", "rpc.method", "rpc.grpc.status_code", "network.protocol.version"];
        let service = "opentelemetry.proto.collector.trace.v1.TraceService";
        assert_eq!(told.map(|key| recorded.attribute(key)), ["grpc", service, "Export", "0", "2"]);
        assert_eq!(recorded.span.status, None);
    }

    // What the application refuses for a reason is a failure to the caller alone; what it can't do, to both.
    let failed = |recorded: &Recorded| recorded.span.status.as_ref().is_some_and(|s| s.code() == StatusCode::Error);
    for (refusal, server_failed) in [(Status::not_found("none"), false), (Status::internal("broken"), true)] {
        let before = collector.count();
        let code = (refusal.code() as i32).to_string();
        app.refuse(refusal);
        soon("an answer", client.export(ExportTraceServiceRequest::default())).await.unwrap_err();
        let spans = collector.spans(before + 2).await;
        let (front, mid) =
            (of(&spans[before..], "front", SpanKind::Client), of(&spans[before..], "mid", SpanKind::Server));
        assert_eq!([front, mid].map(|s| s.attribute("rpc.grpc.status_code")), [&code, &code]);
        assert_eq!((failed(front), failed(mid)), (true, server_failed));
        assert_eq!(front.attribute("error.type"), code);
    }
}
