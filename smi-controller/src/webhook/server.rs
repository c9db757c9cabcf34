//! Answering over HTTPS.

use std::{sync::Arc, time::Duration};

use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use isthmus_k8s::crd::CONVERT_PATH;
use prometheus::IntCounterVec;
use rustls::{ServerConfig, pki_types::CertificateDer};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    conversion,
    review::{self, Answer, Request},
};
use crate::{admission, https::Serve, inject};

/// Largest review in bytes: an object of 3 MiB twice, and what is round it.
const MAX_BODY: usize = 8 << 20;
/// Largest review for a conversion in bytes: of a list it brings all objects at once.
const MAX_CONVERSION: usize = 32 << 20;
/// Most conversions at a time; others wait.
const CONVERSIONS: usize = 4;
/// How long one may take to come in, while others wait for its place.
const CONVERSION_LIMIT: Duration = Duration::from_secs(10);

/// So many bodies of that size at most.
static CONVERTING: Semaphore = Semaphore::const_new(CONVERSIONS);

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
            (&Method::POST, CONVERT_PATH) => return self.convert(request).await,
            _ => return text(StatusCode::NOT_FOUND, "POST /inject, /inject/annotated, /validate or /convert"),
        };
        let body = match whole(request, MAX_BODY).await {
            Ok(body) => body,
            Err(response) => return response,
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
        json(&answer.review(&request.uid))
    }

    async fn convert(&self, request: http::Request<Incoming>) -> Response<Full<Bytes>> {
        let _slot = CONVERTING.acquire().await;
        let body = match tokio::time::timeout(CONVERSION_LIMIT, whole(request, MAX_CONVERSION)).await {
            Ok(Ok(body)) => body,
            Ok(Err(response)) => return response,
            Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "body: it took too long"),
        };
        match conversion::read(&body) {
            Ok(conversion) => {
                let (answer, well) = conversion.answer();
                self.reviews.with_label_values(&["convert", if well { "converted" } else { "refused" }]).inc();
                json(&answer)
            }
            Err(error) => text(StatusCode::BAD_REQUEST, &error),
        }
    }

    fn decide(&self, webhook: &str, request: &Request) -> Answer {
        match webhook {
            "inject" => self.injector.decide(request),
            "inject-annotated" => self.injector.decide_annotated(request),
            _ => self.validator.decide(request),
        }
    }
}

async fn whole(request: http::Request<Incoming>, limit: usize) -> Result<Bytes, Response<Full<Bytes>>> {
    match Limited::new(request.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(text(StatusCode::BAD_REQUEST, &format!("body: {error}; at most {limit} bytes"))),
    }
}

fn json(body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text.to_owned()));
    *response.status_mut() = status;
    response
}
