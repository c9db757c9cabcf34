//! Errors on the server's side.

use super::{ApiError, Cause, Details};

impl ApiError {
    /// 429, to be tried again after so many seconds.
    #[must_use]
    pub fn too_many_requests(message: impl Into<String>, retry_after: u32) -> Self {
        Self::new(429, "TooManyRequests", message).with_details(Details { retry_after, ..Details::default() })
    }

    /// 500: `Internal error occurred: …`.
    #[must_use]
    pub fn internal(message: &str) -> Self {
        let cause = Cause { reason: "", message: message.to_owned(), field: String::new() };
        Self::new(500, "InternalError", format!("Internal error occurred: {message}"))
            .with_details(Details { causes: vec![cause], ..Details::default() })
    }

    /// 503.
    #[must_use]
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// 504.
    #[must_use]
    pub fn timeout(message: &str, retry_after: u32) -> Self {
        Self::new(504, "Timeout", format!("Timeout: {message}"))
            .with_details(Details { retry_after, ..Details::default() })
    }
}
