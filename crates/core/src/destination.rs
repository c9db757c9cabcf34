//! Where an outgoing request goes: the compiled form of Services, their endpoints and TrafficSplits.

use std::{net::SocketAddr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    broken::{self, Fault},
    federation::MeshName,
    http_match::{HttpMatch, HttpRequest},
    id::{ObjectName, SpiffeId},
};

/// What a client asked to reach: an address as the kernel saw it, or a name given to the explicit proxy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DestinationKey {
    /// An IP address literal, or a host name.
    pub host: Arc<str>,
    /// The port asked for.
    pub port: u16,
}

/// What is known beforehand of a port's protocol, from `appProtocol` or the port's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolHint {
    /// Nothing: look at the first bytes.
    #[default]
    Detect,
    /// HTTP/1.
    Http1,
    /// HTTP/2, gRPC among it.
    Http2,
    /// The application's own TLS, or any other bytes: don't look.
    Opaque,
}

/// One pod behind a service, or one address called directly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Address and container port; of a pod in another mesh, its gateway's.
    pub addr: SocketAddr,
    /// The identity to expect; `None` for a workload outside the mesh, which is called in plaintext.
    pub identity: Option<SpiffeId>,
    /// `namespace/pod`, for logs and metrics.
    pub workload: Arc<str>,
    /// For a pod in another mesh: how it is reached.
    pub remote: Option<Remote>,
    /// Endpoints of a higher number are called only while those of lower ones can't serve. 0 comes first.
    pub priority: u8,
}

/// The way to a pod in another mesh, behind a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Remote {
    /// Sent as SNI: by it the gateways find the pod.
    pub server_name: Arc<str>,
    /// The mesh that it is in.
    pub mesh: MeshName,
    /// What is known of it is older than its mesh's lease: others are preferred.
    pub stale: bool,
}

impl Endpoint {
    /// A pod, or any other address, of this mesh.
    pub fn local(addr: SocketAddr, identity: Option<SpiffeId>, workload: impl Into<Arc<str>>) -> Self {
        Self { addr, identity, workload: workload.into(), remote: None, priority: 0 }
    }

    /// What tells endpoints of a backend apart: behind one gateway there are many.
    pub fn key(&self) -> (SocketAddr, Option<&str>) {
        (self.addr, self.remote.as_ref().map(|remote| &*remote.server_name))
    }
}

/// One Service at one port, with its ready endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// The Service.
    pub service: ObjectName,
    /// The Service's port.
    pub port: u16,
    /// Ready endpoints in the order of their [`Endpoint::key`]s. Empty: requests get 503 (smi.md §5 A11).
    pub endpoints: Arc<[Endpoint]>,
}

/// A TrafficSplit in effect at one port of its root.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The TrafficSplit.
    pub name: ObjectName,
    /// Its `metadata.generation`.
    pub generation: i64,
    /// Only requests that one of these matches are split. `None`: all are, and TCP connections too.
    /// `Some(empty)`: none is (every referenced group was missing or invalid).
    pub matches: Option<Vec<HttpMatch>>,
    /// Backends that have the root's port, with their weights. All zero or empty: the root itself (§5 A9, A10).
    pub backends: Vec<(Backend, u32)>,
}

/// A Service as called at one port.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceRoute {
    /// The Service's own endpoints.
    pub root: Backend,
    /// What is known of the protocol.
    pub protocol: ProtocolHint,
    /// The split in effect, if any.
    pub split: Option<Split>,
}

/// What is behind a [`DestinationKey`].
#[derive(Debug, Clone, PartialEq)]
pub enum Destination {
    /// A Service.
    Service(ServiceRoute),
    /// One pod, called by its own address.
    Workload(Endpoint),
    /// Nothing that the mesh knows: passed through as it is.
    Unknown,
}

/// What share of a split a request is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// The root Service's own endpoints.
    Root,
    /// To be dealt among the split's backends by weight.
    Split,
}

impl ServiceRoute {
    /// Is this HTTP request split, or does it go to the root's own endpoints? (smi.md §1.5 rule 6, §5 A8)
    pub fn share_of(&self, request: HttpRequest<'_>) -> Share {
        match self.split.as_ref().map(|split| &split.matches) {
            None => Share::Root,
            Some(None) => Share::Split,
            Some(Some(_)) if broken::is(Fault::MatchesIgnored) => Share::Split,
            Some(Some(matches)) if matches.iter().any(|m| m.matches(request)) => Share::Split,
            Some(Some(_)) => Share::Root,
        }
    }

    /// The same for a TCP connection, which no HTTP match can speak of.
    pub fn share_of_tcp(&self) -> Share {
        match self.split.as_ref().map(|split| &split.matches) {
            Some(None) if !broken::is(Fault::TcpUnsplit) => Share::Split,
            _ => Share::Root,
        }
    }
}

#[cfg(test)]
mod tests;
