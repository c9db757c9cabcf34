//! What can go wrong between the proxy and what it calls: stable codes, in `x-isthmus-error`, logs and metrics.

use http::StatusCode;

/// Why a request was answered by the proxy instead of the one it was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The backend has no ready endpoint.
    NoEndpoints,
    /// No endpoint could be connected to.
    ConnectFailed,
    /// Connecting took too long.
    ConnectTimeout,
    /// The pod's own application doesn't take connections.
    AppUnreachable,
    /// The endpoint didn't prove the identity that it should have.
    Identity,
    /// The endpoint closed before it answered.
    Closed,
    /// The endpoint took the request and gave it back unprocessed.
    Refused,
    /// The request leads back into this proxy.
    Loop,
    /// The request can't be taken.
    BadRequest,
    /// The request has more fields than are taken.
    HeadTooLarge,
    /// The client stopped sending its request's body.
    Stalled,
    /// The endpoint's answer could be read in two ways.
    BadAnswer,
    /// This proxy has no certificate yet.
    NotReady,
    /// This proxy's certificate has expired.
    Expired,
}

impl Fault {
    pub(crate) const ALL: [Self; 14] = [
        Self::NoEndpoints,
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::AppUnreachable,
        Self::Identity,
        Self::Closed,
        Self::Refused,
        Self::Loop,
        Self::BadRequest,
        Self::HeadTooLarge,
        Self::Stalled,
        Self::BadAnswer,
        Self::NotReady,
        Self::Expired,
    ];

    /// The same, where the endpoint is the pod's own application. [`Fault::AppUnreachable`] is a promise to the caller's proxy, which
    /// may try the request elsewhere: the application has seen nothing of it.
    pub(crate) fn of_app(self) -> Self {
        match self {
            Self::ConnectFailed | Self::ConnectTimeout | Self::Refused => Self::AppUnreachable,
            other => other,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoEndpoints => "no-endpoints",
            Self::ConnectFailed => "connect-failed",
            Self::ConnectTimeout => "connect-timeout",
            Self::AppUnreachable => "app-unreachable",
            Self::Identity => "upstream-identity",
            Self::Closed => "upstream-closed",
            Self::Refused => "upstream-refused",
            Self::Loop => "loop",
            Self::BadRequest => "bad-request",
            Self::HeadTooLarge => "head-too-large",
            Self::Stalled => "request-stalled",
            Self::BadAnswer => "upstream-bad-answer",
            Self::NotReady => "not-ready",
            Self::Expired => "certificate-expired",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::NoEndpoints
            | Self::ConnectFailed
            | Self::AppUnreachable
            | Self::Identity
            | Self::Refused
            | Self::NotReady
            | Self::Expired => StatusCode::SERVICE_UNAVAILABLE,
            Self::ConnectTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Closed | Self::BadAnswer => StatusCode::BAD_GATEWAY,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// What happened and what to do, for the body of the answer.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::NoEndpoints => "the backend has no ready endpoint: check its pods and its Service's selector",
            Self::ConnectFailed => "no endpoint accepted a connection: check that the pods listen on the targetPort",
            Self::ConnectTimeout => "connecting to the endpoint took too long: check the network and the pods' load",
            Self::AppUnreachable => {
                "the pod's application doesn't take connections: check that it listens on this port"
            }
            Self::Identity => {
                "the endpoint didn't prove its mesh identity: check its sidecar, the trust bundles and both nodes' clocks"
            }
            Self::Closed => "the endpoint closed the connection before it answered",
            Self::Refused => "the endpoint refused the request unprocessed: check its load and its limit of streams",
            Self::Loop => "the request leads back into this proxy",
            Self::BadRequest => {
                "the proxy can't tell for sure what is asked for: send one host, one length, and a path without dot segments"
            }
            Self::HeadTooLarge => "the request has too many fields: send fewer",
            Self::Stalled => "the rest of the request's body didn't come in time: send it without long pauses",
            Self::BadAnswer => {
                "the endpoint's answer could be read in two ways: it must have one length, and no transfer coding but chunked"
            }
            Self::NotReady => "the proxy has no certificate yet: check that it reaches the controller",
            Self::Expired => {
                "the proxy's certificate has expired and couldn't be renewed: check that it reaches the controller, and its clock"
            }
        }
    }
}
