//! Sending a batch to the collector, by either protocol.

use std::path::PathBuf;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request,
    header::{CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use isthmus_api::otlp::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse, trace_service_client::TraceServiceClient,
};
use isthmus_core::trace::{Collector, Protocol};
use prost::Message;
use tonic::{
    metadata::MetadataMap,
    transport::{Channel, Endpoint, Uri},
};
use tower::service_fn;

use super::{
    Settings,
    connect::{BadRoots, Dialler},
    headers,
    outcome::{self, Outcome},
};
use crate::limits::{CONTROL_KEEPALIVE, CONTROL_KEEPALIVE_ANSWER, TRACE_ANSWER, TRACE_EXPORT_TIME};

/// The way to the collector, with the connection that is open.
pub(super) struct Sender {
    headers_file: Option<PathBuf>,
    way: Way,
}

enum Way {
    Grpc(Box<TraceServiceClient<Channel>>),
    Http { dialler: Dialler, collector: Collector, open: Option<http1::SendRequest<Full<Bytes>>> },
}

/// A batch, ready to be sent as often as it takes.
pub(super) enum Batch {
    Grpc(ExportTraceServiceRequest),
    Http(Bytes),
}

impl Sender {
    /// Connects when there is something to send. Must be called within the runtime that sends.
    pub(super) fn new(settings: &Settings, mark: Option<u32>) -> Result<Self, BadRoots> {
        let collector = settings.collector.clone();
        let dialler = Dialler::new(&collector, settings.roots.as_ref(), mark)?;
        let way = match collector.protocol() {
            Protocol::Grpc => Way::Grpc(Box::new(grpc(&collector, dialler))),
            Protocol::Http => Way::Http { dialler, collector, open: None },
        };
        Ok(Self { headers_file: settings.headers_file.clone(), way })
    }

    pub(super) fn batch(&self, request: ExportTraceServiceRequest) -> Batch {
        match self.way {
            Way::Grpc(_) => Batch::Grpc(request),
            Way::Http { .. } => Batch::Http(request.encode_to_vec().into()),
        }
    }

    /// Sends a batch once.
    pub(super) async fn send(&mut self, batch: &Batch) -> Outcome {
        let headers = match headers::read(self.headers_file.as_deref()).await {
            Ok(headers) => headers,
            // It may be put right.
            Err(error) => return Outcome::Later(None, error.to_string()),
        };
        let sent = async {
            match (&mut self.way, batch) {
                (Way::Grpc(client), Batch::Grpc(request)) => by_grpc(client, request.clone(), headers).await,
                (Way::Http { dialler, collector, open }, Batch::Http(body)) => {
                    by_http(dialler, collector, open, body.clone(), headers).await
                }
                _ => Outcome::Refused("a batch of the other protocol".into()),
            }
        };
        let sent = tokio::time::timeout(TRACE_EXPORT_TIME, sent).await;
        sent.unwrap_or_else(|_| Outcome::Later(None, "no answer in time".into()))
    }
}

fn grpc(collector: &Collector, dialler: Dialler) -> TraceServiceClient<Channel> {
    // The connector below knows where to connect, and whether to speak TLS.
    let channel = Endpoint::from_static("http://collector")
        .http2_keep_alive_interval(CONTROL_KEEPALIVE)
        .keep_alive_timeout(CONTROL_KEEPALIVE_ANSWER)
        .connect_with_connector_lazy(service_fn(move |_: Uri| {
            let dialler = dialler.clone();
            async move { dialler.dial().await.map(TokioIo::new) }
        }));
    let scheme = if collector.tls() { "https" } else { "http" };
    let origin = Uri::builder().scheme(scheme).authority(collector.authority()).path_and_query("/").build();
    TraceServiceClient::with_origin(channel, origin.unwrap_or_default()).max_decoding_message_size(TRACE_ANSWER)
}

async fn by_grpc(
    client: &mut TraceServiceClient<Channel>,
    request: ExportTraceServiceRequest,
    headers: HeaderMap,
) -> Outcome {
    let mut request = tonic::Request::new(request);
    *request.metadata_mut() = MetadataMap::from_headers(headers);
    match client.export(request).await {
        Ok(answer) => taken(answer.into_inner()),
        Err(status) => outcome::of_grpc(&status),
    }
}

async fn by_http(
    dialler: &Dialler,
    collector: &Collector,
    open: &mut Option<http1::SendRequest<Full<Bytes>>>,
    body: Bytes,
    headers: HeaderMap,
) -> Outcome {
    let mut sender = match open.take() {
        Some(sender) if !sender.is_closed() => sender,
        _ => match connect(dialler).await {
            Ok(sender) => sender,
            Err(error) => return Outcome::Later(None, error),
        },
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = collector.path().parse().unwrap_or_default();
    *request.headers_mut() = headers;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    if let Ok(host) = HeaderValue::try_from(collector.authority()) {
        request.headers_mut().insert(HOST, host);
    }
    let answer = match sender.send_request(request).await {
        Ok(answer) => answer,
        Err(error) => return Outcome::Later(None, error.to_string()),
    };
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, TRACE_ANSWER).collect().await;
    if !parts.status.is_success() {
        return outcome::of_http(parts.status, &parts.headers);
    }
    let Ok(body) = body else { return taken(ExportTraceServiceResponse::default()) };
    if sender.ready().await.is_ok() {
        *open = Some(sender);
    }
    // What isn't protobuf after a success says nothing more.
    taken(ExportTraceServiceResponse::decode(body.to_bytes()).unwrap_or_default())
}

async fn connect(dialler: &Dialler) -> Result<http1::SendRequest<Full<Bytes>>, String> {
    let stream = dialler.dial().await.map_err(|error| error.to_string())?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

fn taken(answer: ExportTraceServiceResponse) -> Outcome {
    let partial = answer.partial_success.unwrap_or_default();
    if partial.rejected_spans > 0 || !partial.error_message.is_empty() {
        let said: String = partial.error_message.chars().take(200).collect();
        tracing::warn!(rejected = partial.rejected_spans, said, "the collector of traces has reservations");
    }
    Outcome::Taken { rejected: u64::try_from(partial.rejected_spans).unwrap_or_default() }
}
