//! Plain answers, and logs.

use std::io;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;

use crate::query::{NotANumber, Query};
use crate::runtime::{ContainerRef, LogOptions, Runtime, RuntimeError};

pub(super) type Answer = UnsyncBoxBody<Bytes, io::Error>;

/// Texts, as kubelets answer; API servers make a `Status` of them.
pub(super) fn text(code: StatusCode, text: impl Into<String>) -> Response<Answer> {
    let mut response = Response::new(Full::from(text.into()).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

pub(super) async fn logs(
    runtime: &dyn Runtime,
    namespace: &str,
    pod: &str,
    container: &str,
    query: Option<&str>,
) -> Response<Answer> {
    let options = match log_options(&Query::parse(query.unwrap_or_default())) {
        Ok(options) => options,
        Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let container = ContainerRef { namespace: namespace.into(), pod: pod.into(), container: container.into() };
    match runtime.logs(&container, options).await {
        Ok(log) => {
            let mut response = text(StatusCode::OK, "");
            *response.body_mut() = StreamBody::new(log.map_ok(Frame::data).boxed()).boxed_unsync();
            response
        }
        Err(error) => text(code(&error), error.to_string()),
    }
}

fn log_options(query: &Query) -> Result<LogOptions, NotANumber> {
    Ok(LogOptions {
        follow: query.on("follow"),
        previous: query.on("previous"),
        tail_lines: query.number("tailLines")?,
        since_seconds: query.number("sinceSeconds")?,
        since_time: query.get("sinceTime").map(str::to_owned),
        timestamps: query.on("timestamps"),
        limit_bytes: query.number("limitBytes")?,
    })
}

fn code(error: &RuntimeError) -> StatusCode {
    match error {
        RuntimeError::UnknownPod { .. } | RuntimeError::UnknownContainer { .. } => StatusCode::NOT_FOUND,
        RuntimeError::NotRunning { .. } | RuntimeError::NoPrevious { .. } | RuntimeError::InvalidOption { .. } => {
            StatusCode::BAD_REQUEST
        }
        RuntimeError::Start { .. } | RuntimeError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
