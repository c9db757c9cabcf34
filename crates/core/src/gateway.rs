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
    /// The meshes that this one imports from, with the way to each of their clusters; its own, if that has others.
    pub peers: HashMap<MeshName, Vec<Egress>>,
}

/// One pod of an exported service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name to callers.
    pub token: Token,
    /// The pod's address and container port.
    pub addr: SocketAddr,
}

/// The way to one cluster of a mesh.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Egress {
    /// Its gateways.
    pub gateways: Vec<SocketAddr>,
    /// What is imported from it, by its own names and Service ports. Nothing else may be called.
    pub services: HashSet<(ObjectName, u16)>,
    /// Its pods, where the mesh has other clusters too: the gateways of those don't know them.
    pub tokens: HashSet<Token>,
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
            return self.outwards(name, &key);
        }
        match (self.inwards(name, &key), &name.token) {
            // Of another cluster of this mesh. Only what is known to be there goes there: nothing comes back from there in a circle.
            (Err(NotRouted::NotExported | NotRouted::UnknownToken), Some(token)) if self.is_elsewhere(token) => {
                self.outwards(name, &key)
            }
            (found, _) => found,
        }
    }

    fn is_elsewhere(&self, token: &Token) -> bool {
        self.peers.get(&self.mesh).is_some_and(|ways| ways.iter().any(|way| way.tokens.contains(token)))
    }

    fn outwards(&self, name: &RemoteName, key: &(ObjectName, u16)) -> Result<Found<'_>, NotRouted> {
        let all = self.peers.get(&name.mesh).ok_or(NotRouted::UnknownMesh)?;
        let mut ways = all.iter().filter(|way| way.services.contains(key)).peekable();
        let first = *ways.peek().ok_or(NotRouted::NotImported)?;
        let way = match &name.token {
            Some(token) if all.len() > 1 => {
                ways.find(|way| way.tokens.contains(token)).ok_or(NotRouted::UnknownToken)?
            }
            _ => ways.find(|way| !way.gateways.is_empty()).unwrap_or(first),
        };
        if way.gateways.is_empty() { Err(NotRouted::NoEndpoint) } else { Ok(Found::Gateways(&way.gateways)) }
    }

    fn inwards(&self, name: &RemoteName, key: &(ObjectName, u16)) -> Result<Found<'_>, NotRouted> {
        let targets = self.exported.get(key).ok_or(NotRouted::NotExported)?;
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
