//! Why a request or connection was denied: stable codes, the same on the wire, in logs and in metrics.

/// A reason to deny. Its text is part of the contract: users match on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DenyCode {
    /// The peer showed no mesh identity and nothing exempts it.
    NoIdentity,
    /// No grant names the peer as a source.
    NoGrant,
    /// Grants name the peer, but none for this port.
    Port,
    /// Grants name the peer and the port, but no route of theirs covers the request.
    Route,
    /// The peer is of another mesh, to which this port isn't exported.
    NotExported,
    /// The workload's policy hasn't arrived yet: nothing can be allowed.
    PolicyPending,
}

impl DenyCode {
    /// Every code, for metrics that must exist before their first increment.
    pub const ALL: [Self; 6] =
        [Self::NoIdentity, Self::NoGrant, Self::Port, Self::Route, Self::NotExported, Self::PolicyPending];

    /// The stable text of the code, as in the `x-isthmus-deny` header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoIdentity => "no-identity",
            Self::NoGrant => "no-grant",
            Self::Port => "port",
            Self::Route => "route",
            Self::NotExported => "not-exported",
            Self::PolicyPending => "policy-pending",
        }
    }
}

impl std::fmt::Display for DenyCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
