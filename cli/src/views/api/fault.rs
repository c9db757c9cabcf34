//! What goes wrong with the metrics API, and what to do about it.

use http::StatusCode;
use serde::Deserialize;

use super::sample::clean;
use crate::views::kinds::Resource;

/// Why there is no answer. Exit codes are those of sysexits.h.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No APIService of that group.
    #[error(
        "the metrics API isn't installed: this cluster serves no metrics.smi-spec.io/v1alpha1; \
         install a mesh that serves TrafficMetrics (`isthmus up` has it), or choose another cluster by --context"
    )]
    NotServed,
    /// An APIService, but nobody behind it.
    #[error(
        "the metrics API is installed, but its server doesn't answer ({0}); \
         see `kubectl describe apiservice v1alpha1.metrics.smi-spec.io`"
    )]
    Unavailable(String),
    /// RBAC's word.
    #[error(
        "you may not read {0}.metrics.smi-spec.io ({1}); ask for a Role with \
         apiGroups: [metrics.smi-spec.io], resources: [{0}, {0}/edges], verbs: [get, list]"
    )]
    Forbidden(&'static str, String),
    #[error("the API server doesn't know you ({0}); sign in anew, or see the user of the kubeconfig's context")]
    Unauthorized(String),
    /// This mesh's API has no such resource.
    #[error("this mesh tells nothing of {0}; it tells of {1}")]
    NoResource(&'static str, String),
    #[error("there is no {0} {1}; see the names by `isthmus top {2}`, and another namespace by -n")]
    NoObject(&'static str, String, &'static str),
    #[error("the metrics API refused: {0}")]
    Refused(String),
    #[error("the metrics API failed ({0}): {1}")]
    Failed(u16, String),
    /// A name alone says nothing where namespaces are many.
    #[error("{0} have namespaces: give one by -n beside the name, instead of -A")]
    NoNamespace(&'static str),
    #[error("can't ask the API server; is the cluster up, and is it the one meant (KUBECONFIG, --context)?")]
    Unreachable(#[from] kube::Error),
    #[error("the API server gave no answer within {0} s")]
    Silent(u64),
    #[error("the answer of the API server broke off: {0}")]
    CutOff(String),
    #[error("can't read the answer of the metrics API")]
    Unreadable(#[from] serde_json::Error),
    #[error("can't ask for that")]
    Unaskable(#[from] http::Error),
}

impl Fault {
    /// What scripts tell it by.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NoNamespace(_) | Self::Unaskable(_) => 64,
            Self::NotServed | Self::Unavailable(_) | Self::Unreachable(_) | Self::Silent(_) => 69,
            Self::Forbidden(..) | Self::Unauthorized(_) => 77,
            _ => 1,
        }
    }

    /// Has only this object gone, between being listed and being asked for?
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::NoObject(..))
    }
}

/// Of an answer that is none; `served` is that of discovery, where it tells more.
pub(super) fn judge(
    status: StatusCode,
    text: &str,
    served: (StatusCode, &str),
    resource: &'static Resource,
    name: Option<&str>,
) -> Fault {
    let message = message(text);
    if served.0 == StatusCode::NOT_FOUND {
        return Fault::NotServed;
    }
    if served.0 == StatusCode::SERVICE_UNAVAILABLE {
        return Fault::Unavailable(message);
    }
    match status {
        StatusCode::NOT_FOUND => {
            let known = resources(served.1);
            match name {
                _ if !known.is_empty() && !known.iter().any(|r| r == resource.plural) => {
                    Fault::NoResource(resource.plural, known.join(", "))
                }
                Some(name) => Fault::NoObject(resource.kind, clean(name), resource.plural),
                None => Fault::Refused(message),
            }
        }
        StatusCode::FORBIDDEN => Fault::Forbidden(resource.plural, message),
        StatusCode::UNAUTHORIZED => Fault::Unauthorized(message),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            Fault::Unavailable(message)
        }
        status if status.is_client_error() => Fault::Refused(message),
        status => Fault::Failed(status.as_u16(), message),
    }
}

/// A Status, what smi-metrics has in its place, or plain text.
#[derive(Deserialize)]
struct Words {
    message: Option<String>,
    error: Option<String>,
}

fn message(text: &str) -> String {
    let told = serde_json::from_str::<Words>(text).ok().and_then(|words| words.message.or(words.error));
    clean(told.as_deref().unwrap_or(text).trim())
}

/// The resources that discovery lists, without what is below them.
fn resources(discovery: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    #[derive(Deserialize)]
    struct List {
        resources: Vec<Named>,
    }
    let all = serde_json::from_str::<List>(discovery).map(|list| list.resources).unwrap_or_default();
    all.into_iter().map(|r| clean(&r.name)).filter(|name| !name.contains('/')).collect()
}
