//! Names across meshes: of meshes, of single remote pods, the server name by which gateways find the way, and where they are.

mod address;

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::address::{GatewayAddress, Host, HostName, InvalidAddress, MAX_HOST_NAME, is_abroad};
use crate::id::ObjectName;

/// Longest DNS label in bytes (RFC 1035 §2.3.4).
pub const MAX_LABEL: usize = 63;
/// Longest server name in bytes.
pub const MAX_SERVER_NAME: usize = 253;
/// Longest endpoint token in bytes.
pub const MAX_TOKEN: usize = 32;

/// Why a text isn't the name that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not the name of a mesh.
    #[error("mesh name {0:?} must be 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends")]
    Mesh(String),
    /// Not an endpoint token.
    #[error("endpoint token {0:?} must be 1 to {MAX_TOKEN} of a-z and 2-7")]
    Token(String),
    /// Not a server name of a service in a mesh.
    #[error("server name {0:?} must be [<token>.]p<port>.<service>.<namespace>.svc.<mesh>.mesh")]
    Server(String),
}

/// The name of a mesh: one DNS label.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MeshName(Arc<str>);

/// Names one pod of an exported service to gateways and callers, and says nothing else of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(Arc<str>);

/// The server name (SNI) of a service in a mesh, or of one pod of it:
/// `[<token>.]p<port>.<service>.<namespace>.svc.<mesh>.mesh` (design §8). The port is the Service's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteName {
    /// One pod; `None` for any.
    pub token: Option<Token>,
    /// The Service's port.
    pub port: u16,
    /// The Service, in the mesh that has it.
    pub service: ObjectName,
    /// That mesh.
    pub mesh: MeshName,
}

impl MeshName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Token {
    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(text: &str) -> bool {
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_LABEL).contains(&text.len()) && text.bytes().all(ok) && !text.starts_with('-') && !text.ends_with('-')
}

impl FromStr for MeshName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_label(text) { Ok(Self(text.into())) } else { Err(InvalidName::Mesh(clip(text))) }
    }
}

impl FromStr for Token {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let ok = |b: u8| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b);
        let fits = (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(ok);
        if fits { Ok(Self(text.into())) } else { Err(InvalidName::Token(clip(text))) }
    }
}

impl FromStr for RemoteName {
    type Err = InvalidName;

    /// Reads a server name, in any case of its letters and with or without the final dot: DNS makes no difference.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        read(text).ok_or_else(|| InvalidName::Server(clip(text)))
    }
}

fn read(text: &str) -> Option<RemoteName> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > MAX_SERVER_NAME {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let mut labels = text.rsplit('.');
    if labels.next() != Some("mesh") {
        return None;
    }
    let mesh = labels.next()?.parse().ok()?;
    if labels.next() != Some("svc") {
        return None;
    }
    let (namespace, service) = (labels.next()?, labels.next()?);
    let digits = labels.next()?.strip_prefix('p')?;
    // One form for each port: no sign, no leading zero.
    let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    let port = digits.parse().ok().filter(|_| canonical)?;
    let token = labels.next().map(str::parse).transpose().ok()?;
    let named = is_label(namespace) && is_label(service) && labels.next().is_none();
    named.then(|| RemoteName { token, port, service: ObjectName::new(namespace, service), mesh })
}

/// As much of a text as an error repeats.
fn clip(text: &str) -> String {
    text.chars().take(100).collect()
}

impl fmt::Display for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(token) = &self.token {
            write!(f, "{token}.")?;
        }
        let ObjectName { namespace, name } = &self.service;
        write!(f, "p{}.{name}.{namespace}.svc.{}.mesh", self.port, self.mesh)
    }
}

macro_rules! text_form {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    };
}
text_form!(MeshName);
text_form!(Token);

#[cfg(test)]
mod tests;
