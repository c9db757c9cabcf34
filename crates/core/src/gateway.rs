//! What a gateway between meshes lets through, and where to: decided by the server name alone, for it can't read more.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use crate::{
    federation::{MeshName, RemoteName, Token},
    id::ObjectName,
};

/// All that a gateway may relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// The gateway's own mesh.
    pub mesh: MeshName,
    /// Services (by Service port) that are exported to anyone, with their pods. A service without pods is known, and has none.
    pub exported: HashMap<(ObjectName, u16), Vec<Target>>,
    /// The other meshes that this one imports from.
    pub peers: HashMap<MeshName, Egress>,
}

/// One pod of an exported service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name to callers.
    pub token: Token,
    /// The pod's address and container port.
    pub addr: SocketAddr,
}

/// The way to another mesh.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Egress {
    /// Its gateways.
    pub gateways: Vec<SocketAddr>,
    /// What is imported from it, by its own names and Service ports. Nothing else may be called.
    pub services: HashSet<(ObjectName, u16)>,
}

/// Where a connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// To the pod that the token names.
    One(SocketAddr),
    /// To any of these pods; never empty.
    Any(&'a [Target]),
    /// To any of these gateways of another mesh; never empty.
    Gateways(&'a [SocketAddr]),
}

/// Why a connection goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotRouted {
    /// This mesh exports no such service to anyone.
    #[error("not-exported")]
    NotExported,
    /// This mesh doesn't import that service.
    #[error("not-imported")]
    NotImported,
    /// A mesh that this one has nothing to do with.
    #[error("unknown-mesh")]
    UnknownMesh,
    /// The service has no such pod (any more).
    #[error("unknown-token")]
    UnknownToken,
    /// There is nobody to relay to at present.
    #[error("no-endpoint")]
    NoEndpoint,
}

impl Routes {
    /// A gateway that relays nothing.
    pub fn none(mesh: MeshName) -> Self {
        Self { mesh, exported: HashMap::new(), peers: HashMap::new() }
    }

    /// Where does a connection for this name go?
    pub fn find(&self, name: &RemoteName) -> Result<Found<'_>, NotRouted> {
        let key = (name.service.clone(), name.port);
        if name.mesh != self.mesh {
            let egress = self.peers.get(&name.mesh).ok_or(NotRouted::UnknownMesh)?;
            return match (egress.services.contains(&key), egress.gateways.as_slice()) {
                (false, _) => Err(NotRouted::NotImported),
                (true, []) => Err(NotRouted::NoEndpoint),
                (true, gateways) => Ok(Found::Gateways(gateways)),
            };
        }
        let targets = self.exported.get(&key).ok_or(NotRouted::NotExported)?;
        match &name.token {
            Some(token) => {
                let target = targets.iter().find(|target| target.token == *token);
                target.map(|target| Found::One(target.addr)).ok_or(NotRouted::UnknownToken)
            }
            None if targets.is_empty() => Err(NotRouted::NoEndpoint),
            None => Ok(Found::Any(targets)),
        }
    }
}

#[cfg(test)]
mod tests;
