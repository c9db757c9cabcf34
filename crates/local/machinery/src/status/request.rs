//! Errors of a request that is malformed, or asks for what isn't offered.

use super::{ApiError, Cause, Details};

impl ApiError {
    /// 400.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 400 of `fieldValidation=Strict`: the errors are `unknown field "spec.x"` and `duplicate field "spec.y"`.
    #[must_use]
    pub fn strict_decoding(group_version: &str, kind: &str, errors: &[String]) -> Self {
        let list = errors.join(", ");
        Self::bad_request(format!(
            "{kind} in version {group_version:?} cannot be handled as a {kind}: strict decoding error: {list}"
        ))
    }

    /// 405 of a resource that doesn't know the verb.
    #[must_use]
    pub fn method_not_allowed(group_resource: &str, action: &str) -> Self {
        let (resource, group) = group_resource.split_once('.').unwrap_or((group_resource, ""));
        Self::new(405, "MethodNotAllowed", format!("{action} is not supported on resources of kind {group_resource:?}"))
            .with_details(Details::of(group, resource, ""))
    }

    /// 406.
    #[must_use]
    pub fn not_acceptable(accepted: &[&str]) -> Self {
        Self::new(406, "NotAcceptable", format!("only the following media types are accepted: {}", accepted.join(", ")))
    }

    /// 415.
    #[must_use]
    pub fn unsupported_media(accepted: &[&str]) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {}",
                accepted.join(", ")
            ),
        )
    }

    /// 413 of a body above the limit (in bytes).
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("limit is {limit}: the request is too large"))
    }

    /// 410 of a resourceVersion that is no longer kept.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 410 of a watch or an exact list: `too old resource version: 3 (10)`, where 10 is the oldest kept.
    #[must_use]
    pub fn too_old(asked: u64, oldest: u64) -> Self {
        Self::expired(format!("too old resource version: {asked} ({oldest})"))
    }

    /// 504 of a list at a resourceVersion that is still to come.
    #[must_use]
    pub fn too_large_resource_version(asked: u64, current: u64) -> Self {
        let cause = Cause {
            reason: "ResourceVersionTooLarge",
            message: "Too large resource version".to_owned(),
            field: String::new(),
        };
        Self::new(504, "Timeout", format!("Timeout: Too large resource version: {asked}, current: {current}"))
            .with_details(Details { causes: vec![cause], retry_after: 1, ..Details::default() })
    }
}
