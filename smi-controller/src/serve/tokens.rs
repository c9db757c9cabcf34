//! Whom a ServiceAccount token speaks for.

use std::{collections::BTreeMap, future::Future, time::Duration};

use isthmus_core::id::ObjectName;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::{Api, Client, api::PostParams};

/// What tokens for the mesh are made out for.
pub(crate) const AUDIENCE: &str = "isthmus";
/// How long the API server may take: of those who wait for it there are only so many at a time.
const REVIEW_LIMIT: Duration = Duration::from_secs(10);
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// A pod, vouched for by the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Speaker {
    pub(crate) account: ObjectName,
    pub(crate) pod: ObjectName,
    pub(crate) pod_uid: String,
}

/// Why a token isn't taken. The token itself is never said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// The API server doesn't vouch for it.
    #[error("the token is not valid: {0}")]
    Refused(String),
    /// It is valid, but not for this.
    #[error("the token {0}")]
    Unfit(&'static str),
    /// The API server can't be asked.
    #[error("the token can't be checked now: {0}")]
    Unavailable(String),
}

/// Asks whom a token speaks for.
pub(crate) trait Tokens: Send + Sync + 'static {
    /// Asks.
    fn review(&self, token: String) -> impl Future<Output = Result<Speaker, TokenError>> + Send;
}

/// Asks the API server, by TokenReview.
#[derive(Clone)]
pub(crate) struct KubeTokens(pub(crate) Client);

impl Tokens for KubeTokens {
    async fn review(&self, token: String) -> Result<Speaker, TokenError> {
        let api: Api<TokenReview> = Api::all(self.0.clone());
        let spec = TokenReviewSpec { audiences: Some(vec![AUDIENCE.to_owned()]), token: Some(token) };
        let review = TokenReview { spec, ..TokenReview::default() };
        match tokio::time::timeout(REVIEW_LIMIT, api.create(&PostParams::default(), &review)).await {
            Ok(Ok(answer)) => speaker(answer.status.unwrap_or_default()),
            Ok(Err(error)) => Err(TokenError::Unavailable(error.to_string())),
            Err(_) => Err(TokenError::Unavailable(format!("no answer within {REVIEW_LIMIT:?}"))),
        }
    }
}

fn speaker(status: TokenReviewStatus) -> Result<Speaker, TokenError> {
    if status.authenticated != Some(true) {
        return Err(TokenError::Refused(status.error.unwrap_or_else(|| "not authenticated".to_owned())));
    }
    // A server that knows nothing of audiences leaves them out: then the token may be meant for anybody.
    if !status.audiences.unwrap_or_default().iter().any(|audience| audience == AUDIENCE) {
        return Err(TokenError::Unfit("is not made out for audience isthmus"));
    }
    let user = status.user.unwrap_or_default();
    let name = user.username.unwrap_or_default();
    let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let Some((namespace, account)) = account.filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
    else {
        return Err(TokenError::Unfit("is not a ServiceAccount's"));
    };
    let extra = user.extra.unwrap_or_default();
    let one = |extra: &BTreeMap<String, Vec<String>>, key: &str| extra.get(key).and_then(|v| v.first()).cloned();
    let (Some(pod), Some(pod_uid)) = (one(&extra, POD_NAME), one(&extra, POD_UID)) else {
        return Err(TokenError::Unfit("is not bound to a pod"));
    };
    Ok(Speaker { account: ObjectName::new(namespace, account), pod: ObjectName::new(namespace, pod), pod_uid })
}

#[cfg(test)]
mod tests;
