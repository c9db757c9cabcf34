//! Where gateways take connections: addresses, or names that whoever calls looks up.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

/// Longest DNS name in bytes, as text (RFC 1035 §2.3.4).
pub const MAX_HOST_NAME: usize = 253;

/// The text isn't the address of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// It isn't a host and a port.
    #[error(
        "{0:?} must be host:port, the host an IP address ([…] round IPv6) or a full DNS name, such as 192.0.2.7:15443 or \
         gateway.example.org:15443"
    )]
    Form(String),
    /// The host is neither an IP address nor a full DNS name.
    #[error(
        "host {0:?} must be an IP address, or a full DNS name: at most {MAX_HOST_NAME} bytes, two labels or more of 1 to 63 of \
         a-z, 0-9 and -, with a letter or digit at both ends, the last not of digits alone"
    )]
    Host(String),
}

/// A full DNS name of a host, in lower case and without the final dot.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(Arc<str>);

/// A host: by its address, or by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name.
    Name(HostName),
}

/// A gateway's host and port.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GatewayAddress {
    /// The host.
    pub host: Host,
    /// Never 0.
    pub port: u16,
}

/// Could something of another mesh be at this address? Not where it means the caller's own host, or no single one.
pub fn is_abroad(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        // A name of one label means something else in every network, and one that ends in a number is read as an address by some.
        let last = name.rsplit('.').next().unwrap_or_default();
        let full = name.contains('.') && !last.bytes().all(|b| b.is_ascii_digit());
        if name.len() <= MAX_HOST_NAME && full && name.split('.').all(super::is_label) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidAddress::Host(super::clip(text)))
        }
    }
}

impl FromStr for Host {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        text.parse().map(Self::Ip).or_else(|_| text.parse().map(Self::Name))
    }
}

impl FromStr for GatewayAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let form = || InvalidAddress::Form(super::clip(text));
        let (host, port) = text.rsplit_once(':').ok_or_else(form)?;
        // One form for each port: no sign, no leading zero.
        let canonical = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
        let port = port.parse().ok().filter(|_| canonical).ok_or_else(form)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let inner = rest.strip_suffix(']').ok_or_else(form)?;
                Host::Ip(inner.parse::<Ipv6Addr>().map_err(|_| form())?.into())
            }
            None if host.is_empty() || host.contains(':') => return Err(form()),
            None => host.parse()?,
        };
        Ok(Self { host, port })
    }
}

impl From<SocketAddr> for GatewayAddress {
    fn from(address: SocketAddr) -> Self {
        Self { host: Host::Ip(address.ip()), port: address.port() }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for GatewayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl fmt::Debug for GatewayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
