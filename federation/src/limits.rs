//! Every limit of federation in one place. What goes beyond one is refused or dropped, never grown into.

use std::time::Duration;

/// Most bytes of one message, either way.
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;
/// Most bytes of a request to join, or for the hub's bundle: what somebody unknown may send.
pub const MAX_JOIN_BYTES: usize = 1 << 20;
/// Most meshes of one hub.
pub const MAX_MESHES: usize = 1000;
/// Most clusters of one mesh.
pub const MAX_CLUSTERS: usize = 64;
/// Most peers of one mesh.
pub const MAX_PEERS: usize = MAX_MESHES;
/// Most services that one cluster exports to one peer.
pub const MAX_SERVICES: usize = 10_000;
/// Most ports of one service.
pub const MAX_PORTS: usize = 100;
/// Most endpoints of one service in one cluster.
pub const MAX_ENDPOINTS: usize = 10_000;
/// Most gateways of one cluster; and most addresses of them in use, where they have names.
pub const MAX_GATEWAYS: usize = 64;
/// Most addresses that are used of one gateway's name.
pub const MAX_ADDRESSES: usize = 16;
/// Most bytes of one catalog, and of all the changes that the hub keeps behind one whole catalog.
pub const MAX_CATALOG_BYTES: usize = 4 << 20;
/// Most changes that the hub keeps behind one whole catalog.
pub const MAX_DELTAS: usize = 256;
/// Most bytes of catalogs that the hub keeps for one cluster of a mesh.
pub const MAX_CLUSTER_BYTES: usize = 64 << 20;
/// What a cluster of a member may say to the hub at once: a message counts one, and one more for each KiB that it has begun…
pub const SAID_AT_ONCE: u32 = 73_728;
/// …and what comes back of that each second. What is said beyond it is heard later, and nothing behind it before.
pub const SAID_A_SECOND: u32 = 2048;
/// How many clusters' worth of that all clusters of a mesh have together.
pub const SAID_BY_A_MESH: u32 = 4;
/// Sessions that the clusters of a mesh may begin at once…
pub const SESSIONS_AT_ONCE: u32 = 128;
/// …and how many more each second.
pub const SESSIONS_A_SECOND: u32 = 4;
/// Most bytes of the state of a mesh's roots on its way to another cluster.
pub const MAX_CUSTODY_BYTES: usize = 1 << 20;
/// Most conflicts that are told to an exporter.
pub const MAX_CONFLICTS: usize = 64;
/// Most invitations of one mesh that are open at a time.
pub const MAX_INVITATIONS: usize = 100;
/// Longest life of an invitation.
pub const MAX_INVITATION_LIFE: Duration = Duration::from_hours(7 * 24);
/// Most bytes of an invitation's text.
pub const MAX_INVITATION_BYTES: usize = 8 << 10;

/// How often an exporter gives a sign of life.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long a catalog is fresh after the newest sign of life.
pub const LEASE: Duration = Duration::from_secs(30);
/// How long a catalog is served when an import doesn't say.
pub const DEFAULT_MAX_STALE: Duration = Duration::from_hours(1);
/// How far the exporter's clock may be from ours for what it has signed to be taken.
pub const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests;
