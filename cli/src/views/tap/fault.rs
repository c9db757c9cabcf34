//! Why there is nothing to see, and what to do about it.

use http::StatusCode;
use serde::Deserialize;

use crate::views::api::clean;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(
        "this cluster serves no taps (tap.isthmus.mesh/v1alpha1): the mesh isn't installed here, or is an older one; \
         choose another cluster by --context"
    )]
    NotServed,
    #[error(
        "taps are installed, but their server doesn't answer ({0}); see `kubectl describe apiservice v1alpha1.tap.isthmus.mesh`"
    )]
    Unavailable(String),
    #[error(
        "you may not tap that ({0}); ask for a binding to the ClusterRole isthmus-tap, \
         or for a Role with apiGroups: [tap.isthmus.mesh], verbs: [watch]"
    )]
    Forbidden(String),
    #[error("the API server doesn't know you ({0}); sign in anew, or see the user of the kubeconfig's context")]
    Unauthorized(String),
    #[error("the tap was refused: {0}")]
    Refused(String),
    #[error("the tap failed ({0}): {1}")]
    Failed(u16, String),
    #[error(
        "--peer svc/{0}: who calls or is called is a workload; for the Service that was called give --service NAMESPACE/{0}"
    )]
    PeerIsService(String),
    #[error("can't ask the API server; is the cluster up, and is it the one meant (KUBECONFIG, --context)?")]
    Unreachable(#[from] kube::Error),
    #[error("the tap broke off: {0}")]
    CutOff(String),
    #[error("can't read what the tap tells")]
    Unreadable(#[from] serde_json::Error),
    #[error("can't ask for that")]
    Unaskable(#[from] http::Error),
}

impl Fault {
    /// Of sysexits.h.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::PeerIsService(_) | Self::Unaskable(_) => 64,
            Self::NotServed | Self::Unavailable(_) | Self::Unreachable(_) => 69,
            Self::Forbidden(_) | Self::Unauthorized(_) => 77,
            _ => 1,
        }
    }

    /// Of an answer that is none.
    pub(super) fn of(status: StatusCode, text: &str) -> Self {
        #[derive(Deserialize)]
        struct Told {
            message: String,
        }
        let told = serde_json::from_str::<Told>(text).map(|told| told.message);
        let message = clean(told.as_deref().unwrap_or(text).trim());
        match status {
            StatusCode::NOT_FOUND => Self::NotServed,
            StatusCode::FORBIDDEN => Self::Forbidden(message),
            StatusCode::UNAUTHORIZED => Self::Unauthorized(message),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                Self::Unavailable(message)
            }
            status if status.is_client_error() => Self::Refused(message),
            status => Self::Failed(status.as_u16(), message),
        }
    }
}
