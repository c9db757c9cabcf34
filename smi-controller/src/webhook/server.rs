//! Answering over HTTPS.

use std::sync::Arc;

use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use prometheus::IntCounterVec;
use rustls::{ServerConfig, pki_types::CertificateDer};
use tokio_util::sync::CancellationToken;

use super::review::{self, Answer, Request};
use crate::{admission, https::Serve, inject};

/// Largest review in bytes: an object of 3 MiB twice, and what is round it.
const MAX_BODY: usize = 8 << 20;

/// What is served.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) injector: inject::Injector,
    pub(crate) validator: admission::Validator,
    /// Counts by webhook and result.
    pub(crate) reviews: IntCounterVec,
}

impl Serve for Server {
    type Body = Full<Bytes>;

    fn tls(&self) -> (Arc<ServerConfig>, CancellationToken) {
        (self.tls.clone(), CancellationToken::new())
    }

    async fn answer(
        &self,
        _: Option<&CertificateDer<'static>>,
        request: http::Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        self.review(request).await
    }
}

impl Server {
    async fn review(&self, request: http::Request<Incoming>) -> Response<Full<Bytes>> {
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
