//! Where a bundle endpoint is.

use std::{fmt, str::FromStr};

use http::Uri;

/// The address of a bundle endpoint: `https://host[:port]/path` (SPIFFE Federation §5.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    uri: Uri,
    host: String,
}

/// The text isn't one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bundle endpoint {url:?} {fault}; write https://host[:port]/path")]
pub struct BadUrl {
    url: String,
    fault: &'static str,
}

impl EndpointUrl {
    /// Longest URL in bytes.
    pub const MAX: usize = 2048;

    /// The host alone; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port: 443 when none is named.
    pub fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(443)
    }

    pub(super) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// Host and port as a `Host` header has them.
    pub(super) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }
}

impl FromStr for EndpointUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let bad = |fault| BadUrl { url: text.chars().take(200).collect(), fault };
        if text.len() > Self::MAX {
            return Err(bad("is longer than 2048 bytes"));
        }
        let uri: Uri = text.parse().map_err(|_| bad("is no URL"))?;
        if uri.scheme_str() != Some("https") {
            return Err(bad("isn't https"));
        }
        let authority = uri.authority().ok_or_else(|| bad("names no host"))?;
        // Whoever reads a URL with a name before the host may take it for the host.
        if authority.as_str().contains('@') {
            return Err(bad("has user information, which the standard forbids"));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() || uri.port_u16() == Some(0) {
            return Err(bad("names no host"));
        }
        Ok(Self { uri, host })
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}
