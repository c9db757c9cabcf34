//! The catalog: what one cluster of a mesh offers to one peer, how it changes, and how old it is.
//!
//! All of it is pure. [`wire`] reads and writes the protocol's form, within bounds; [`delta`] tells two catalogs apart;
//! [`receive`] decides what a receiver makes of what has come; [`freshness`] how old it is; [`merge`] joins several
//! clusters of one mesh.

pub mod delta;
pub mod freshness;
pub mod merge;
pub mod receive;
pub mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    str::FromStr,
    sync::Arc,
};

use aws_lc_rs::digest;
use isthmus_core::{
    federation::{GatewayAddress, Token},
    id::{ObjectName, SpiffeId},
};
use prost::Message;

/// What one cluster of a mesh exports to one peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exports {
    /// By namespace and name.
    pub services: BTreeMap<ObjectName, Arc<Service>>,
    /// Where this cluster's gateways take connections. Names are told as they are: who calls looks them up.
    pub gateways: BTreeSet<GatewayAddress>,
}

/// An exported Service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// When its export was made, Unix seconds: of two clusters that differ the older one counts.
    pub created_at: i64,
    /// The exported ports, by the Service's port number.
    pub ports: BTreeMap<u16, Port>,
    /// Its pods.
    pub endpoints: BTreeMap<Token, Endpoint>,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Port {
    /// Its name; empty when it has none.
    pub name: String,
    /// `appProtocol`; empty when it isn't said.
    pub app_protocol: String,
}

/// A pod behind an exported Service, told by its token alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Who will answer.
    pub spiffe_id: SpiffeId,
    /// The Service's ports at which it takes requests now; empty: it is there, and not healthy.
    pub ready: BTreeSet<u16>,
    /// Where the network is declared flat: its own addresses, by the Service's port.
    pub flat: BTreeMap<u16, SocketAddr>,
}

/// SHA-256 of a catalog: equal catalogs have equal digests, on every side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Exports {
    /// The digest of the whole.
    pub fn digest(&self) -> Digest {
        let hash = digest::digest(&digest::SHA256, &wire::exports(self).encode_to_vec());
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Digest(bytes)
    }
}

impl Digest {
    /// Reads one; `None`: not 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The text isn't a catalog's digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("catalog digest {0:?} must be sha256: and 64 hexadecimal digits")]
pub struct BadDigest(String);

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let bad = || BadDigest(text.chars().take(80).collect());
        let digits = text.strip_prefix("sha256:").filter(|d| d.len() == 64 && d.bytes().all(|b| b.is_ascii_hexdigit()));
        let (high, low) = digits.and_then(|digits| digits.split_at_checked(32)).ok_or_else(bad)?;
        let half = |digits| u128::from_str_radix(digits, 16).map(u128::to_be_bytes).map_err(|_| bad());
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(half(high)?.into_iter().chain(half(low)?)).for_each(|(to, from)| *to = from);
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(any(test, fuzzing))]
#[allow(clippy::unwrap_used, reason = "only tests and fuzz targets are built with it")]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
