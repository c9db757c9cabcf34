//! Request bodies: read whole, within a size and a time.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use isthmus_local_machinery::decode::{self, Decoded};
use isthmus_local_machinery::proto;
use isthmus_local_machinery::status::ApiError;

use super::negotiate::media_type;

/// The whole body.
pub(crate) async fn read(body: Incoming, limit: usize, time: Duration) -> Result<Bytes, ApiError> {
    let whole = tokio::time::timeout(time, Limited::new(body, limit).collect()).await;
    match whole {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::too_large(limit)),
        Ok(Err(_)) => Err(ApiError::bad_request("the request's body broke off")),
        Err(_) => Err(ApiError::timeout("the request's body did not come in time", 1)),
    }
}

/// The object in a body of JSON, YAML or protobuf; JSON when no type is given.
pub(crate) fn object(headers: &HeaderMap, body: &[u8]) -> Result<Decoded, ApiError> {
    let header = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match media_type(header).as_str() {
        "" | "application/json" => decode::json(body),
        "application/yaml" => decode::yaml(body),
        proto::MEDIA_TYPE => Ok(Decoded { value: proto::decode(body)?, duplicates: Vec::new() }),
        _ => Err(ApiError::unsupported_media(&["application/json", "application/yaml", proto::MEDIA_TYPE])),
    }
}
