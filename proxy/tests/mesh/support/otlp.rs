//! A collector of traces that keeps what it is sent.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use isthmus_api::otlp::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse, KeyValue, Span,
    any_value::Value,
    trace_service_server::{TraceService, TraceServiceServer},
};
use isthmus_core::trace::{Collector as Address, Protocol, Ratio};
use isthmus_proxy::{Config, trace::Settings};
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// A span, and the pod that has sent it.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub pod: String,
    pub span: Span,
    pub attributes: BTreeMap<String, String>,
}

impl Recorded {
    pub fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

/// Before a collector: TLS, by a certificate of an authority of its own. Where, and the authority as PEM.
pub async fn behind_tls(collector: &Collector) -> (SocketAddr, String) {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let addr: SocketAddr = (super::address(), 4319).into();
    let leaf = CertificateParams::new(vec![addr.ip().to_string()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::from_params(&params, &authority_key)).unwrap();
    let mut config = ServerConfig::builder_with_provider(isthmus_identity::crypto_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (listener, behind) = (TcpListener::bind(addr).await.unwrap(), collector.addr);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who doesn't know the authority goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut behind = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    (addr, authority.pem())
}

/// The collector; clones are the same one.
#[derive(Clone)]
pub struct Collector {
    pub addr: SocketAddr,
    protocol: Protocol,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    spans: Vec<Recorded>,
    headers: Vec<HeaderMap>,
    /// How the next batches are answered; then they are taken.
    refusals: VecDeque<Status>,
}

impl Collector {
    pub async fn start(protocol: Protocol) -> Self {
        Self::start_at((super::address(), 4317).into(), protocol).await
    }

    pub async fn start_at(addr: SocketAddr, protocol: Protocol) -> Self {
        let collector = Self { addr, protocol, kept: Arc::default() };
        let listener = TcpListener::bind(addr).await.unwrap();
        match protocol {
            Protocol::Grpc => {
                let service = TraceServiceServer::new(collector.clone());
                tokio::spawn(
                    Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)),
                );
            }
            Protocol::Http => drop(tokio::spawn(collector.clone().serve_http(listener))),
        }
        collector
    }

    /// What a sidecar is told to send everything there.
    pub fn settings(&self) -> Settings {
        let address = Address::new(&format!("http://{}", self.addr), self.protocol).unwrap();
        Settings { sampling: Ratio::per_million(1_000_000), ..Settings::new(address) }
    }

    /// Configures a sidecar so.
    pub fn edit(&self) -> impl Fn(&mut Config) + use<> {
        let settings = self.settings();
        move |config| config.trace = Some(settings.clone())
    }

    /// The spans so far, as soon as there are so many; not one more.
    pub async fn spans(&self, count: usize) -> Vec<Recorded> {
        super::eventually("spans", async || self.kept.lock().unwrap().spans.len() >= count).await;
        let spans = self.kept.lock().unwrap().spans.clone();
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }

    pub fn count(&self) -> usize {
        self.kept.lock().unwrap().spans.len()
    }

    /// The headers of the batches so far.
    pub fn headers(&self) -> Vec<HeaderMap> {
        self.kept.lock().unwrap().headers.clone()
    }

    /// Refuses the next batch.
    pub fn refuse(&self, status: Status) {
        self.kept.lock().unwrap().refusals.push_back(status);
    }

    fn take(&self, headers: HeaderMap, request: ExportTraceServiceRequest) -> Result<(), Status> {
        let mut kept = self.kept.lock().unwrap();
        if let Some(status) = kept.refusals.pop_front() {
            return Err(status);
        }
        kept.headers.push(headers);
        for of_resource in request.resource_spans {
            let pod = attributes(&of_resource.resource.unwrap().attributes).remove("k8s.pod.name").unwrap();
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let attributes = attributes(&span.attributes);
                kept.spans.push(Recorded { pod: pod.clone(), span, attributes });
            }
        }
        Ok(())
    }

    async fn serve_http(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let collector = self.clone();
            let service = service_fn(move |request: http::Request<Incoming>| {
                let collector = collector.clone();
                async move {
                    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/v1/traces"));
                    let (parts, body) = request.into_parts();
                    let request = ExportTraceServiceRequest::decode(body.collect().await.unwrap().to_bytes()).unwrap();
                    let taken = collector.take(parts.headers, request);
                    let status = if taken.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                    let answer = Full::new(Bytes::from(ExportTraceServiceResponse::default().encode_to_vec()));
                    Ok::<_, Infallible>(http::Response::builder().status(status).body(answer).unwrap())
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }
}

fn attributes(of: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |a: &KeyValue| match a.value.as_ref().and_then(|value| value.value.as_ref()).unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    of.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        self.take(headers, request.into_inner())?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
