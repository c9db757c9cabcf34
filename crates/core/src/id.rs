//! Names: of trust domains, workloads, services and objects.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Longest SPIFFE ID in bytes (SPIFFE-ID §2.3).
pub const MAX_SPIFFE_ID: usize = 2048;
/// Longest trust domain name in bytes (SPIFFE-ID §2.1).
pub const MAX_TRUST_DOMAIN: usize = 255;

/// Why a text isn't a SPIFFE ID or a trust domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text is longer than the standard allows.
    #[error("{what} has {length} bytes; at most {limit} are allowed")]
    TooLong {
        /// "trust domain" or "SPIFFE ID".
        what: &'static str,
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The trust domain is empty or has a character outside `[a-z0-9._-]`.
    #[error("trust domain {0:?} must be non-empty and of a-z, 0-9, '.', '-', '_' only")]
    TrustDomain(String),
    /// The text doesn't begin with `spiffe://`.
    #[error("{0:?} is not a SPIFFE ID: it must begin with spiffe://")]
    Scheme(String),
    /// Not a path that ends in `/*`.
    #[error("{0:?} is not a prefix of SPIFFE IDs: it must end in /*")]
    Prefix(String),
    /// The path is empty, has an empty, dot or dot-dot segment, or a character outside `[A-Za-z0-9._-]`.
    #[error(
        "path {0:?} of a SPIFFE ID must be non-empty segments of letters, digits, '.', '-', '_', none of them . or .."
    )]
    Path(String),
}

/// The name of a trust domain: lower-case, as in `spiffe://<trust domain>/…` (SPIFFE-ID §2.1).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrustDomain(Arc<str>);

impl TrustDomain {
    /// Checks and wraps a name.
    pub fn new(name: &str) -> Result<Self, InvalidId> {
        if name.len() > MAX_TRUST_DOMAIN {
            return Err(InvalidId::TooLong { what: "trust domain", length: name.len(), limit: MAX_TRUST_DOMAIN });
        }
        let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
        if name.is_empty() || !name.bytes().all(ok) {
            return Err(InvalidId::TrustDomain(name.to_owned()));
        }
        Ok(Self(name.into()))
    }

    /// The name, with no scheme.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A SPIFFE ID: a trust domain and a path (SPIFFE-ID §2). Kept as its one canonical text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId {
    trust_domain: TrustDomain,
    text: Arc<str>,
}

impl SpiffeId {
    const SCHEME: &'static str = "spiffe://";

    /// The ID of the workloads that run as a ServiceAccount: `spiffe://<td>/ns/<ns>/sa/<sa>`.
    pub fn for_service_account(trust_domain: &TrustDomain, namespace: &str, account: &str) -> Result<Self, InvalidId> {
        format!("{}{trust_domain}/ns/{namespace}/sa/{account}", Self::SCHEME).parse()
    }

    /// Reads an ID with or without `spiffe://`: SMI's own examples leave it out (smi.md §5 A28).
    pub fn parse_lenient(text: &str) -> Result<Self, InvalidId> {
        if text.starts_with(Self::SCHEME) { text.parse() } else { format!("{}{text}", Self::SCHEME).parse() }
    }

    /// The trust domain that the ID names.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The whole ID, `spiffe://…`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Namespace and ServiceAccount, when the path has the shape `/ns/<ns>/sa/<sa>`.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        let path = self.text.get(Self::SCHEME.len() + self.trust_domain.0.len()..)?;
        let (namespace, account) = path.strip_prefix("/ns/")?.split_once("/sa/")?;
        (!namespace.contains('/') && !account.contains('/')).then_some((namespace, account))
    }
}

impl FromStr for SpiffeId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.len() > MAX_SPIFFE_ID {
            return Err(InvalidId::TooLong { what: "SPIFFE ID", length: text.len(), limit: MAX_SPIFFE_ID });
        }
        let rest = text.strip_prefix(Self::SCHEME).ok_or_else(|| InvalidId::Scheme(text.to_owned()))?;
        let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
        let trust_domain = TrustDomain::new(domain)?;
        let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let segment_ok = |s: &str| !s.is_empty() && s != "." && s != ".." && s.bytes().all(ok);
        if !path.split('/').all(segment_ok) {
            return Err(InvalidId::Path(path.to_owned()));
        }
        Ok(Self { trust_domain, text: text.into() })
    }
}

/// Every SPIFFE ID below a path: `spiffe://<trust domain>/<segment>/*`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffePrefix {
    /// The ID that the path would be.
    base: SpiffeId,
}

impl SpiffePrefix {
    const END: &'static str = "/*";

    /// Is the ID below the path? The path itself isn't.
    pub fn covers(&self, id: &SpiffeId) -> bool {
        id.text.strip_prefix(&*self.base.text).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The trust domain of all of them.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.base.trust_domain
    }
}

impl FromStr for SpiffePrefix {
    type Err = InvalidId;

    /// The path has at least one segment: a whole trust domain is nobody in particular.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let base = text.strip_suffix(Self::END).ok_or_else(|| InvalidId::Prefix(text.to_owned()))?;
        Ok(Self { base: base.parse()? })
    }
}

/// One SPIFFE ID, or all below a path: what a user may name as a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpiffePattern {
    /// Exactly this.
    Exact(SpiffeId),
    /// Any of these.
    Below(SpiffePrefix),
}

impl SpiffePattern {
    /// The trust domain of all that it names.
    pub fn trust_domain(&self) -> &TrustDomain {
        match self {
            Self::Exact(id) => id.trust_domain(),
            Self::Below(prefix) => prefix.trust_domain(),
        }
    }

    /// Does it name the ID?
    pub fn covers(&self, id: &SpiffeId) -> bool {
        match self {
            Self::Exact(exact) => exact == id,
            Self::Below(prefix) => prefix.covers(id),
        }
    }

    /// Reads an ID or a prefix, with or without `spiffe://` (smi.md §5 A28).
    pub fn parse_lenient(text: &str) -> Result<Self, InvalidId> {
        match text.strip_suffix(SpiffePrefix::END) {
            Some(base) => SpiffeId::parse_lenient(base).map(|base| Self::Below(SpiffePrefix { base })),
            None => SpiffeId::parse_lenient(text).map(Self::Exact),
        }
    }
}

/// A namespaced object's name: of a Service, a TrafficTarget, a TrafficSplit…
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectName {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name in it.
    pub name: Arc<str>,
}

impl ObjectName {
    /// Joins the two parts.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

macro_rules! text_form {
    ($type:ty, $self:ident, $text:expr, $parse:expr) => {
        impl fmt::Display for $type {
            fn fmt(&$self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($text)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&$self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($text)
            }
        }
        impl TryFrom<String> for $type {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                $parse(&text)
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    };
}
text_form!(TrustDomain, self, &self.0, TrustDomain::new);
text_form!(SpiffeId, self, &self.text, str::parse::<SpiffeId>);

impl fmt::Display for SpiffePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.base, Self::END)
    }
}

impl fmt::Debug for SpiffePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for SpiffePrefix {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<SpiffePrefix> for String {
    fn from(value: SpiffePrefix) -> Self {
        value.to_string()
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
