//! What a collector's answer means for the batch (OTLP specification, "Failures" and "Retryable Response Codes").

use std::{error::Error, str::FromStr, time::Duration};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use isthmus_api::otlp::v1::{RetryInfo, RpcStatus};
use prost::Message;
use tonic::{Code, Status};

/// Longest pause that a collector is believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Taken, but for so many spans.
    Taken { rejected: u64 },
    /// It may be taken later: after this time, if the collector has said so.
    Later(Option<Duration>, String),
    /// It never will be.
    Refused(String),
}

/// Of an answer over gRPC.
pub(super) fn of_grpc(status: &Status) -> Outcome {
    let told = status.code();
    let why = format!("{told:?}: {}", status.message());
    let pause = retry_info(status.details());
    match told {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Outcome::Later(pause, why),
        // Nobody has answered: the connection broke, which tonic doesn't know better than to call unknown.
        Code::Unknown if status.source().is_some() => Outcome::Later(None, why),
        // Only who says when to come back will be able to take it.
        Code::ResourceExhausted if pause.is_some() => Outcome::Later(pause, why),
        _ => Outcome::Refused(why),
    }
}

fn retry_info(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let info = status.details.into_iter().find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value).ok()?.retry_delay?;
    let (seconds, nanos) = (u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?);
    Some((Duration::from_secs(seconds) + Duration::from_nanos(nanos.into())).min(LONGEST_PAUSE))
}

/// Of an answer over HTTP that isn't a success.
pub(super) fn of_http(status: StatusCode, headers: &HeaderMap) -> Outcome {
    let why = format!("status {}", status.as_u16());
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            let after = headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok());
            let seconds = after.and_then(|after| u64::from_str(after.trim()).ok());
            Outcome::Later(seconds.map(|s| Duration::from_secs(s).min(LONGEST_PAUSE)), why)
        }
        _ => Outcome::Refused(why),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use isthmus_api::otlp::v1::{Detail, RetryDelay};

    use super::*;

    fn with_retry_info(code: Code, seconds: i64) -> Status {
        let info = RetryInfo { retry_delay: Some(RetryDelay { seconds, nanos: 500_000_000 }) };
        let detail =
            Detail { type_url: "type.googleapis.com/google.rpc.RetryInfo".into(), value: info.encode_to_vec().into() };
        Status::with_details(code, "busy", Bytes::from(RpcStatus { details: vec![detail] }.encode_to_vec()))
    }

    #[test]
    fn what_passes_is_tried_again_and_the_rest_is_not() {
        let later = |status: &Status| match of_grpc(status) {
            Outcome::Later(pause, _) => Some(pause),
            _ => None,
        };
        assert_eq!(later(&Status::unavailable("")), Some(None));
        assert_eq!(later(&Status::deadline_exceeded("")), Some(None));
        for code in [Code::InvalidArgument, Code::Unauthenticated, Code::Unimplemented, Code::Internal, Code::Unknown] {
            assert_eq!(later(&Status::new(code, "")), None, "{code:?}");
        }
        assert_eq!(later(&Status::resource_exhausted("")), None);
        let broken = Status::from_error(Box::new(std::io::Error::other("broken pipe")));
        assert_eq!((broken.code(), later(&broken)), (Code::Unknown, Some(None)));
        let told = with_retry_info(Code::ResourceExhausted, 2);
        assert_eq!(later(&told), Some(Some(Duration::from_millis(2500))));
        assert_eq!(later(&with_retry_info(Code::Unavailable, 1 << 40)), Some(Some(LONGEST_PAUSE)));
        assert_eq!(later(&with_retry_info(Code::Unavailable, -1)), Some(None));
    }

    #[test]
    fn over_http_the_status_tells() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, http::HeaderValue::from_static("7"));
        let pause = Some(Duration::from_secs(7));
        assert_eq!(of_http(StatusCode::TOO_MANY_REQUESTS, &headers), Outcome::Later(pause, "status 429".into()));
        assert_eq!(of_http(StatusCode::BAD_GATEWAY, &HeaderMap::new()), Outcome::Later(None, "status 502".into()));
        for status in [400, 401, 404, 413, 500, 501] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(matches!(of_http(status, &headers), Outcome::Refused(_)), "{status}");
        }
    }
}
