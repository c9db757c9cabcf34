//! Paths that are neither resources nor discovery.

use isthmus_local_machinery::status::ApiError;
use serde_json::{Value, json};

use crate::core::Core;
use crate::http::reply::{self, Reply};

/// The Kubernetes version whose API this server speaks: its minor decides which kubectl Google's dispatcher runs.
pub(crate) const GIT_VERSION: &str = "v1.32.4+isthmus";

/// Paths that anybody may read.
pub(crate) fn is_public(path: &str) -> bool {
    matches!(path, "/version" | "/version/" | "/healthz" | "/readyz" | "/livez")
        || ["/healthz/", "/readyz/", "/livez/"].iter().any(|prefix| path.starts_with(prefix))
}

pub(crate) fn answer(core: &Core, path: &str, stopping: bool) -> Result<Reply, ApiError> {
    match path.trim_end_matches('/') {
        "/version" => Ok(reply::json(200, &version())),
        "/healthz" | "/livez" | "/healthz/ping" | "/livez/ping" => Ok(reply::text(200, "ok")),
        "/readyz" | "/readyz/ping" if stopping => Ok(reply::text(500, "shutting down")),
        "/readyz" | "/readyz/ping" => Ok(reply::text(200, "ok")),
        "/metrics" => {
            let text = core.metrics.render(&core.store.stats());
            Ok(reply::bytes(200, "text/plain; version=0.0.4; charset=utf-8", text))
        }
        "/openid/v1/jwks" => Ok(reply::bytes(200, "application/jwk-set+json", reply::line(&core.signer.jwks()))),
        "/.well-known/openid-configuration" => Ok(reply::json(200, &openid())),
        _ => Err(ApiError::no_such_resource()),
    }
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "32",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, platform()),
    })
}

fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn openid() -> Value {
    let issuer = crate::auth::token::ISSUER;
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/openid/v1/jwks"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}
