//! The `Status` that goes over the error stream at the end (`v4.channel.k8s.io` and later).

use bytes::Bytes;
use serde_json::json;

use crate::runtime::RuntimeError;

/// How a program ended.
pub(super) fn exited(code: i32) -> Bytes {
    let status = if code == 0 {
        json!({ "metadata": {}, "status": "Success" })
    } else {
        json!({
            "metadata": {},
            "status": "Failure",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "reason": "NonZeroExitCode",
            "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
        })
    };
    status.to_string().into()
}

/// Why a program did not start.
pub(super) fn not_started(error: &RuntimeError) -> Bytes {
    let status = json!({
        "metadata": {},
        "status": "Failure",
        "message": error.to_string(),
        "reason": "InternalError",
        "details": { "causes": [{ "message": error.to_string() }] },
        "code": 500,
    });
    status.to_string().into()
}
