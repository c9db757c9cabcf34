//! Meshes that are joined, and the services that they share.

mod duration;
mod exports;
mod imports;
mod meshes;
mod peers;

pub(crate) use exports::{Export, Exports, Told, read as read_export};
pub(crate) use imports::{Cluster, Import, Imports, RemoteEndpoint, RemotePort, read as read_import};
pub(crate) use meshes::{Hub, Mesh, read as read_mesh};
pub(crate) use peers::{Endpoint, FINALIZER as REVOCATION, Peer, Peers, read as read_peer};
