//! What the watches say, of any kind.

use std::collections::{BTreeMap, BTreeSet};

use isthmus_core::id::ObjectName;
use isthmus_k8s::{
    access::{IdentityBinding, TrafficTarget},
    federation::{ExportedService, ImportedService, Mesh, MeshPeer},
    specs::{HTTPRouteGroup, TCPRoute, UDPRoute},
    split::TrafficSplit,
    watch::Change,
};
use k8s_openapi::api::{
    core::v1::{Namespace, Pod, Service, ServiceAccount},
    discovery::v1::EndpointSlice,
};

use super::{TapAt, Told};

/// One change of one kind.
#[allow(clippy::large_enum_variant, reason = "it is moved through one channel, whose length is bounded")]
#[derive(Debug)]
pub(crate) enum Update {
    Service(Change<Service>),
    EndpointSlice(Change<EndpointSlice>),
    Pod(Change<Pod>),
    ServiceAccount(Change<ServiceAccount>),
    Namespace(Change<Namespace>),
    Split(Change<TrafficSplit>),
    Target(Change<TrafficTarget>),
    Group(Change<HTTPRouteGroup>),
    TcpRoute(Change<TCPRoute>),
    UdpRoute(Change<UDPRoute>),
    Binding(Change<IdentityBinding>),
    Mesh(Change<Mesh>),
    Peer(Change<MeshPeer>),
    Export(Change<ExportedService>),
    Import(Change<ImportedService>),
    /// No watch's: what other meshes have found of exports.
    Told(BTreeMap<ObjectName, BTreeSet<Told>>),
    /// No watch's: somebody begins or ends to watch traffic.
    Tap(u64, Option<TapAt>),
}

/// How many kinds are watched: so many must be synced before anything is served.
pub(crate) const KINDS: usize = 15;

impl Update {
    /// Does it say that a kind's first list is complete?
    pub(crate) fn is_synced(&self) -> bool {
        matches!(
            self,
            Self::Service(Change::Synced)
                | Self::EndpointSlice(Change::Synced)
                | Self::Pod(Change::Synced)
                | Self::ServiceAccount(Change::Synced)
                | Self::Namespace(Change::Synced)
                | Self::Split(Change::Synced)
                | Self::Target(Change::Synced)
                | Self::Group(Change::Synced)
                | Self::TcpRoute(Change::Synced)
                | Self::UdpRoute(Change::Synced)
                | Self::Binding(Change::Synced)
                | Self::Mesh(Change::Synced)
                | Self::Peer(Change::Synced)
                | Self::Export(Change::Synced)
                | Self::Import(Change::Synced)
        )
    }
}
