//! Answers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use isthmus_local_machinery::status::ApiError;
use serde_json::Value;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type Reply = Response<Body>;

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn bytes(code: u16, content_type: &'static str, bytes: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(full(bytes));
    *reply.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(crate) fn text(code: u16, text: impl Into<Bytes>) -> Reply {
    bytes(code, "text/plain; charset=utf-8", text)
}

pub(crate) fn json(code: u16, value: &Value) -> Reply {
    bytes(code, "application/json", line(value))
}

/// A value as one line of JSON.
pub(crate) fn line(value: &Value) -> Vec<u8> {
    let mut line = value.to_string().into_bytes();
    line.push(b'\n');
    line
}

pub(crate) fn error(error: &ApiError) -> Reply {
    let mut reply = json(error.code, &error.to_status());
    let after = error.details.as_ref().map_or(0, |details| details.retry_after);
    if after > 0 {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after));
    }
    if error.code == 401 {
        reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}

/// Adds `Warning: 299 - "…"` headers, which kubectl prints.
pub(crate) fn warn(reply: &mut Reply, warnings: &[String]) {
    for text in warnings {
        let quoted: String = text.chars().filter(|c| !c.is_control()).take(1000).collect();
        let quoted = quoted.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()) {
            reply.headers_mut().append("warning", value);
        }
    }
}
