//! What is measured.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What the traffic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    Grpc,
    Tcp,
}

/// One way through proxies, with one kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Case {
    /// HTTP/1.1 with keep-alive through the caller's proxy alone, plaintext
    OneHopH1,
    /// HTTP/1.1 with keep-alive through both proxies, mutual TLS between them
    TwoHopMtlsH1,
    /// HTTP/2 through both
    TwoHopMtlsH2,
    /// Unary gRPC through both
    TwoHopMtlsGrpc,
    /// TCP through both
    TwoHopMtlsTcp,
}

impl Case {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 5] =
        [Self::OneHopH1, Self::TwoHopMtlsH1, Self::TwoHopMtlsH2, Self::TwoHopMtlsGrpc, Self::TwoHopMtlsTcp];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OneHopH1 => "one-hop-h1",
            Self::TwoHopMtlsH1 => "two-hop-mtls-h1",
            Self::TwoHopMtlsH2 => "two-hop-mtls-h2",
            Self::TwoHopMtlsGrpc => "two-hop-mtls-grpc",
            Self::TwoHopMtlsTcp => "two-hop-mtls-tcp",
        }
    }

    pub(crate) const fn protocol(self) -> Protocol {
        match self {
            Self::OneHopH1 | Self::TwoHopMtlsH1 => Protocol::Http1,
            Self::TwoHopMtlsH2 => Protocol::Http2,
            Self::TwoHopMtlsGrpc => Protocol::Grpc,
            Self::TwoHopMtlsTcp => Protocol::Tcp,
        }
    }

    /// Is there a proxy at the callee too?
    pub(crate) const fn two_hops(self) -> bool {
        !matches!(self, Self::OneHopH1)
    }
}

impl Protocol {
    /// The callee's container port.
    pub(crate) const fn app_port(self) -> u16 {
        match self {
            Self::Http1 => 8080,
            Self::Http2 | Self::Grpc => 8082,
            Self::Tcp => 9090,
        }
    }

    /// The Service's port.
    pub(crate) const fn service_port(self) -> u16 {
        match self {
            Self::Http1 => 80,
            Self::Http2 | Self::Grpc => 82,
            Self::Tcp => 90,
        }
    }

    /// The container port of the split's second backend.
    pub(crate) const fn second_app_port(self) -> u16 {
        self.app_port() + 100
    }
}
