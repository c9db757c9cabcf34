//! Why a connection isn't relayed.

use isthmus_core::gateway::NotRouted;

/// The reasons, each with a stable code for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The source has its share of all connections.
    Share,
    /// The source makes connections too fast.
    Rate,
    /// A trusted balancer sent no PROXY protocol header, or one that can't be read.
    Preface,
    /// The client closed before its ClientHello was whole.
    Closed,
    /// The ClientHello didn't come in time.
    HelloSlow,
    /// The ClientHello is too long.
    HelloLong,
    /// The first bytes are no ClientHello.
    NotTls,
    /// The ClientHello has no server name.
    NoName,
    /// The server name isn't of the mesh's form.
    BadName,
    /// The mesh's protocols aren't offered inside.
    Protocol,
    /// The controller hasn't said yet what is served.
    NoRoutes,
    /// This mesh exports no such service.
    NotExported,
    /// That mesh's service isn't imported here.
    NotImported,
    /// The source may not leave by this gateway.
    Outsider,
    /// No relation with that mesh.
    UnknownMesh,
    /// No endpoint has that token.
    UnknownToken,
    /// The service has no endpoint, or the mesh no gateway.
    NoEndpoint,
    /// It would come back to this gateway.
    Loop,
    /// None of the endpoints or gateways that were tried could be connected to.
    Unreached,
}

impl Refusal {
    pub(crate) const ALL: [Self; 19] = [
        Self::Share,
        Self::Rate,
        Self::Preface,
        Self::Closed,
        Self::HelloSlow,
        Self::HelloLong,
        Self::NotTls,
        Self::NoName,
        Self::BadName,
        Self::Protocol,
        Self::NoRoutes,
        Self::NotExported,
        Self::NotImported,
        Self::Outsider,
        Self::UnknownMesh,
        Self::UnknownToken,
        Self::NoEndpoint,
        Self::Loop,
        Self::Unreached,
    ];

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Rate => "rate",
            Self::Preface => "preface",
            Self::Closed => "closed",
            Self::HelloSlow => "hello-slow",
            Self::HelloLong => "hello-long",
            Self::NotTls => "not-tls",
            Self::NoName => "no-name",
            Self::BadName => "bad-name",
            Self::Protocol => "protocol",
            Self::NoRoutes => "no-routes",
            Self::NotExported => "not-exported",
            Self::NotImported => "not-imported",
            Self::Outsider => "outsider",
            Self::UnknownMesh => "unknown-mesh",
            Self::UnknownToken => "unknown-token",
            Self::NoEndpoint => "no-endpoint",
            Self::Loop => "loop",
            Self::Unreached => "unreached",
        }
    }
}

impl From<NotRouted> for Refusal {
    fn from(why: NotRouted) -> Self {
        match why {
            NotRouted::NotExported => Self::NotExported,
            NotRouted::NotImported => Self::NotImported,
            NotRouted::UnknownMesh => Self::UnknownMesh,
            NotRouted::UnknownToken => Self::UnknownToken,
            NotRouted::NoEndpoint => Self::NoEndpoint,
        }
    }
}
