//! Errors of who may do what.

use super::{ApiError, Details};

impl ApiError {
    /// 401.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 403: `pods "x" is forbidden: <why>`; an empty name leaves the name out.
    #[must_use]
    pub fn forbidden(group_resource: &str, name: &str, why: &str) -> Self {
        let (resource, group) = group_resource.split_once('.').unwrap_or((group_resource, ""));
        let message = match (group_resource, name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{group_resource} is forbidden: {why}"),
            _ => format!("{group_resource} {name:?} is forbidden: {why}"),
        };
        Self::new(403, "Forbidden", message).with_details(Details::of(group, resource, name))
    }

    /// The error of an admission webhook that denied: its own code and text when it gave them.
    #[must_use]
    pub fn webhook_denied(webhook: &str, code: Option<u16>, message: Option<&str>) -> Self {
        let text = match message {
            Some(message) if !message.is_empty() => {
                format!("admission webhook {webhook:?} denied the request: {message}")
            }
            _ => format!("admission webhook {webhook:?} denied the request without explanation"),
        };
        let code = code.filter(|code| (400..600).contains(code)).unwrap_or(400);
        let reason = match code {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            410 => "Gone",
            422 => "Invalid",
            429 => "TooManyRequests",
            500 => "InternalError",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "",
        };
        Self::new(code, reason, text)
    }
}
