//! What can be wrong with an object of a user, said in a way that an Event and a condition can carry.

use std::fmt;

use isthmus_core::id::ObjectName;

/// The kinds that users write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// federation.isthmus.mesh ExportedService.
    ExportedService,
    /// specs.smi-spec.io HTTPRouteGroup.
    HttpRouteGroup,
    /// access.smi-spec.io IdentityBinding.
    IdentityBinding,
    /// federation.isthmus.mesh ImportedService.
    ImportedService,
    /// federation.isthmus.mesh Mesh.
    Mesh,
    /// federation.isthmus.mesh MeshPeer.
    MeshPeer,
    /// specs.smi-spec.io TCPRoute.
    TcpRoute,
    /// split.smi-spec.io TrafficSplit.
    TrafficSplit,
    /// access.smi-spec.io TrafficTarget.
    TrafficTarget,
    /// specs.smi-spec.io UDPRoute.
    UdpRoute,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::ExportedService,
        Self::HttpRouteGroup,
        Self::IdentityBinding,
        Self::ImportedService,
        Self::Mesh,
        Self::MeshPeer,
        Self::TcpRoute,
        Self::TrafficSplit,
        Self::TrafficTarget,
        Self::UdpRoute,
    ];

    /// The kind of this name.
    pub(crate) fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name as written in manifests.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ExportedService => "ExportedService",
            Self::HttpRouteGroup => "HTTPRouteGroup",
            Self::IdentityBinding => "IdentityBinding",
            Self::ImportedService => "ImportedService",
            Self::Mesh => "Mesh",
            Self::MeshPeer => "MeshPeer",
            Self::TcpRoute => "TCPRoute",
            Self::TrafficSplit => "TrafficSplit",
            Self::TrafficTarget => "TrafficTarget",
            Self::UdpRoute => "UDPRoute",
        }
    }

    /// The name as in URLs.
    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::ExportedService => "exportedservices",
            Self::HttpRouteGroup => "httproutegroups",
            Self::IdentityBinding => "identitybindings",
            Self::ImportedService => "importedservices",
            Self::Mesh => "meshes",
            Self::MeshPeer => "meshpeers",
            Self::TcpRoute => "tcproutes",
            Self::TrafficSplit => "trafficsplits",
            Self::TrafficTarget => "traffictargets",
            Self::UdpRoute => "udproutes",
        }
    }

    /// Group and version under which it is watched and written.
    pub(crate) const fn api_version(self) -> &'static str {
        match self {
            Self::HttpRouteGroup | Self::TcpRoute | Self::UdpRoute => "specs.smi-spec.io/v1alpha4",
            Self::IdentityBinding | Self::TrafficTarget => "access.smi-spec.io/v1alpha4",
            Self::TrafficSplit => "split.smi-spec.io/v1alpha4",
            Self::ExportedService | Self::ImportedService | Self::Mesh | Self::MeshPeer => {
                "federation.isthmus.mesh/v1alpha1"
            }
        }
    }

    /// Are its objects outside of namespaces? In their names the namespace is empty then.
    pub(crate) const fn is_cluster_scoped(self) -> bool {
        matches!(self, Self::Mesh | Self::MeshPeer)
    }
}

/// One object of a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectRef {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its namespace and name.
    pub(crate) name: ObjectName,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind.is_cluster_scoped() {
            return write!(f, "{} {}", self.kind.as_str(), self.name.name);
        }
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

/// How far a fault reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// The object has no effect at all: `Accepted` is False.
    Excluded,
    /// A part of the object has none: `Accepted` is False, the rest is in effect.
    PartlyRefused,
    /// Something that it names isn't there or doesn't fit: `ResolvedRefs` is False, the rest is in effect.
    Unresolved,
    /// It works, but perhaps not as its author thinks: an Event only.
    Hint,
}

/// Stable reasons of Events and conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// A backend isn't a Service of the namespace.
    BackendNotFound,
    /// No bundle of a peer is held yet.
    BundleMissing,
    /// The bundle that is kept in a status can't be read.
    BundleUnreadable,
    /// Two matches of a group have one name: both are meant by it.
    DuplicateMatch,
    /// An older split has the same root.
    DuplicateSplit,
    /// A split didn't wait any longer for the endpoints of a Service.
    EndpointsBehind,
    /// Clusters of one mesh export a service differently: the oldest export counts.
    ExportConflict,
    /// The other mesh exports no such service to this one.
    ExportNotFound,
    /// No address of a gateway that leads to the service is known.
    GatewayNotFound,
    /// A subject isn't there.
    IdentityNotFound,
    /// An address with port isn't one.
    InvalidAddress,
    /// An IdentityBinding says nothing, or two things that exclude each other.
    InvalidBinding,
    /// A bundle's digest isn't one.
    InvalidDigest,
    /// Where a mesh publishes its bundle can't be read.
    InvalidEndpoint,
    /// A duration isn't one.
    InvalidDuration,
    /// Something in a match other than an expression can't be used.
    InvalidMatch,
    /// A name isn't one.
    InvalidName,
    /// What other versions have parked in the annotation can't be read.
    InvalidParked,
    /// A port is not one.
    InvalidPort,
    /// A regular expression doesn't compile: its match grants nothing.
    InvalidRegex,
    /// The root isn't the name of a Service.
    InvalidRoot,
    /// A share of traces isn't one: it counts as not written.
    InvalidSampling,
    /// A SPIFFE ID isn't one.
    InvalidSpiffeId,
    /// A trust domain isn't one, or could be taken for another.
    InvalidTrustDomain,
    /// A weight isn't a whole number from 0: it counts as 0.
    InvalidWeight,
    /// The stored object doesn't have the shape of its kind: the last good one stays in effect.
    Malformed,
    /// A rule names a match that its group doesn't have.
    MatchNotFound,
    /// A name is taken by something else, which stays.
    NameConflict,
    /// Something is named in another namespace than allowed.
    NamespaceMismatch,
    /// A backend is itself the root of a split, which is not followed.
    NestedSplit,
    /// A Service has no pod with a proxy: other meshes can't reach the others.
    NoMeshedPods,
    /// It is understood, and nothing of it is in effect yet.
    NotEnforced,
    /// Something that the hub relayed was not taken.
    NotTaken,
    /// A target without rules or without sources: it grants nothing.
    NothingGranted,
    /// There is no such mesh among the peers.
    PeerNotFound,
    /// Nothing has been heard of the other mesh yet.
    PeerNotHeard,
    /// `port` of a subject, which has no effect since v1alpha3.
    PortIgnored,
    /// A backend lacks a port of the root.
    PortMismatch,
    /// The root isn't there.
    RootNotFound,
    /// A route isn't there.
    RouteNotFound,
    /// There is no such Service.
    ServiceNotFound,
    /// There are more peers than can be trusted.
    TooManyPeers,
    /// A kind or group that means nothing here.
    UnsupportedKind,
    /// A Service without a cluster address.
    UnsupportedService,
}

impl Reason {
    /// The text in Events and conditions.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BackendNotFound => "BackendNotFound",
            Self::BundleMissing => "BundleMissing",
            Self::BundleUnreadable => "BundleUnreadable",
            Self::DuplicateMatch => "DuplicateMatch",
            Self::DuplicateSplit => "DuplicateSplit",
            Self::EndpointsBehind => "EndpointsBehind",
            Self::ExportConflict => "ExportConflict",
            Self::ExportNotFound => "ExportNotFound",
            Self::GatewayNotFound => "GatewayNotFound",
            Self::IdentityNotFound => "IdentityNotFound",
            Self::InvalidAddress => "InvalidAddress",
            Self::InvalidBinding => "InvalidBinding",
            Self::InvalidDigest => "InvalidDigest",
            Self::InvalidEndpoint => "InvalidEndpoint",
            Self::InvalidDuration => "InvalidDuration",
            Self::InvalidMatch => "InvalidMatch",
            Self::InvalidName => "InvalidName",
            Self::InvalidParked => "InvalidParked",
            Self::InvalidPort => "InvalidPort",
            Self::InvalidRegex => "InvalidRegex",
            Self::InvalidRoot => "InvalidRoot",
            Self::InvalidSampling => "InvalidSampling",
            Self::InvalidSpiffeId => "InvalidSpiffeId",
            Self::InvalidTrustDomain => "InvalidTrustDomain",
            Self::InvalidWeight => "InvalidWeight",
            Self::Malformed => "Malformed",
            Self::MatchNotFound => "MatchNotFound",
            Self::NameConflict => "NameConflict",
            Self::NamespaceMismatch => "NamespaceMismatch",
            Self::NestedSplit => "NestedSplit",
            Self::NoMeshedPods => "NoMeshedPods",
            Self::NotEnforced => "NotEnforced",
            Self::NotTaken => "NotTaken",
            Self::NothingGranted => "NothingGranted",
            Self::PeerNotFound => "PeerNotFound",
            Self::PeerNotHeard => "PeerNotHeard",
            Self::PortIgnored => "PortIgnored",
            Self::PortMismatch => "PortMismatch",
            Self::RootNotFound => "RootNotFound",
            Self::RouteNotFound => "RouteNotFound",
            Self::ServiceNotFound => "ServiceNotFound",
            Self::TooManyPeers => "TooManyPeers",
            Self::UnsupportedKind => "UnsupportedKind",
            Self::UnsupportedService => "UnsupportedService",
        }
    }
}

/// One thing that is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Fault {
    /// How far it reaches.
    pub(crate) effect: Effect,
    /// What, for programs.
    pub(crate) reason: Reason,
    /// What, for people: with field, value and remedy.
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn excluded(reason: Reason, message: impl Into<String>) -> Self {
        Self { effect: Effect::Excluded, reason, message: message.into() }
    }

    pub(crate) fn partly(reason: Reason, message: impl Into<String>) -> Self {
        Self { effect: Effect::PartlyRefused, reason, message: message.into() }
    }

    pub(crate) fn unresolved(reason: Reason, message: impl Into<String>) -> Self {
        Self { effect: Effect::Unresolved, reason, message: message.into() }
    }

    pub(crate) fn hint(reason: Reason, message: impl Into<String>) -> Self {
        Self { effect: Effect::Hint, reason, message: message.into() }
    }
}
