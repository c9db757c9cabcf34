//! Names of federation: clusters, and the identities of those who speak for a mesh.

use std::{fmt, str::FromStr, sync::Arc};

use isthmus_core::id::{InvalidId, SpiffeId, TrustDomain};

/// The namespace of every mesh's control plane.
pub const SYSTEM_NAMESPACE: &str = "isthmus-system";
/// ServiceAccount of a mesh's controller: it alone speaks for its mesh.
pub const CONTROLLER: &str = "isthmus-controller";
/// ServiceAccount of the hub.
pub const HUB: &str = "isthmus-hub";
/// The hub's port.
pub const HUB_PORT: u16 = 15030;
/// The hub's admin port.
pub const HUB_ADMIN_PORT: u16 = 15031;

/// The identity that speaks for the mesh of a trust domain.
pub fn controller_id(domain: &TrustDomain) -> Result<SpiffeId, InvalidId> {
    SpiffeId::for_service_account(domain, SYSTEM_NAMESPACE, CONTROLLER)
}

/// The identity of a hub that runs in the mesh of a trust domain.
pub fn hub_id(domain: &TrustDomain) -> Result<SpiffeId, InvalidId> {
    SpiffeId::for_service_account(domain, SYSTEM_NAMESPACE, HUB)
}

/// The name of a cluster: one DNS label.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cluster(Arc<str>);

/// The text isn't a cluster's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cluster name {0:?} must be 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends")]
pub struct InvalidCluster(String);

impl Cluster {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Cluster {
    type Err = InvalidCluster;

    fn from_str(text: &str) -> Result<Self, InvalidCluster> {
        if is_label(text) { Ok(Self(text.into())) } else { Err(InvalidCluster(text.chars().take(100).collect())) }
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A DNS label as Kubernetes has them (RFC 1123).
pub(crate) fn is_label(text: &str) -> bool {
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(ok) && !text.starts_with('-') && !text.ends_with('-')
}
