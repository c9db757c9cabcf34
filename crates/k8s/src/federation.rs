//! federation.isthmus.mesh: meshes that are joined, and the services that they share (design §4, §8).

mod export;
mod import;
pub mod invitation;
mod mesh;
mod peer;

pub use export::{ExportedService, ExportedServiceSpec};
pub use import::{
    CatalogAddress, CatalogEndpoint, CatalogPort, ClusterCatalog, ClusterConflict, FailoverFor, Freshness, From,
    ImportStatus, ImportedService, ImportedServiceSpec,
};
pub use mesh::{HubRef, HubStatus, KnownInvitation, Mesh, MeshSpec, MeshStatus};
pub use peer::{BundleEndpoint, BundleStatus, CatalogStatus, MeshPeer, MeshPeerSpec, MeshPeerStatus, ResolvedName};

/// The group of all of them.
pub const GROUP: &str = "federation.isthmus.mesh";
/// The version of all of them.
pub const VERSION: &str = "v1alpha1";
