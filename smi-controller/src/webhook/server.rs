//! Answering over HTTPS.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use prometheus::IntCounterVec;
use rustls::ServerConfig;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::review::{self, Answer, Request};
use crate::{admission, inject};

/// Largest review in bytes: an object of 3 MiB twice, and what is round it.
const MAX_BODY: usize = 8 << 20;
/// Most connections at a time.
const MAX_CONNECTIONS: usize = 1024;
/// How long a handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long a connection may take to send a request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// What is served.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) injector: inject::Injector,
    pub(crate) validator: admission::Validator,
    /// Counts by webhook and result.
    pub(crate) reviews: IntCounterVec,
}

/// Serves until `stop`.
pub(crate) async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, server: Arc<Server>, stop: CancellationToken) {
    let acceptor = TlsAcceptor::from(tls);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accept = async {
            let slot = slots.clone().acquire_owned().await.ok()?;
            Some((slot, listener.accept().await))
        };
        let accepted = tokio::select! {
            accepted = accept => accepted,
            () = stop.cancelled() => return,
        };
        let Some((slot, accepted)) = accepted else { return };
        let (stream, addr) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "couldn't accept a connection for the webhooks");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (acceptor, server, stop) = (acceptor.clone(), server.clone(), stop.clone());
        tokio::spawn(async move {
            let _slot = slot;
            match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => connection(stream, addr, server, stop).await,
                Ok(Err(error)) => tracing::debug!(%addr, %error, "TLS handshake for the webhooks refused"),
                Err(_) => tracing::debug!(%addr, "TLS handshake for the webhooks took too long"),
            }
        });
    }
}

async fn connection(
    stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    addr: SocketAddr,
    server: Arc<Server>,
    stop: CancellationToken,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    builder.http2().timer(TokioTimer::new());
    let service = service_fn(move |request| {
        let server = server.clone();
        async move { Ok::<_, Infallible>(server.answer(request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%addr, error, "connection of the webhooks");
    }
}

impl Server {
    async fn answer(&self, request: http::Request<Incoming>) -> Response<Full<Bytes>> {
        let webhook = match (request.method(), request.uri().path()) {
            (&Method::POST, "/inject") => "inject",
            (&Method::POST, "/inject/annotated") => "inject-annotated",
            (&Method::POST, "/validate") => "validate",
            _ => return text(StatusCode::NOT_FOUND, "POST /inject, /inject/annotated or /validate"),
        };
        let body = match Limited::new(request.into_body(), MAX_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return text(StatusCode::BAD_REQUEST, &format!("body: {error}; at most {MAX_BODY} bytes")),
        };
        let request = match review::read(&body) {
            Ok(request) => request,
            Err(error) => return text(StatusCode::BAD_REQUEST, &error),
        };
        let answer = self.decide(webhook, &request);
        let result = match &answer {
            Answer { refusal: Some(_), .. } => "refused",
            Answer { patch: Some(_), .. } => "patched",
            _ => "allowed",
        };
        self.reviews.with_label_values(&[webhook, result]).inc();
        let body = answer.review(&request.uid).to_string();
        let mut response = Response::new(Full::from(body));
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(http::header::CONTENT_TYPE, json);
        response
    }

    fn decide(&self, webhook: &str, request: &Request) -> Answer {
        match webhook {
            "inject" => self.injector.decide(request),
            "inject-annotated" => self.injector.decide_annotated(request),
            _ => self.validator.decide(request),
        }
    }
}

fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text.to_owned()));
    *response.status_mut() = status;
    response
}
