//! The range of ClusterIPs.

use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 network, such as `10.43.0.0/16`, from which Services get their ClusterIPs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceCidr {
    network: u32,
    prefix: u8,
}

/// Why a text is no [`ServiceCidr`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("service CIDR {text:?}: write an IPv4 network with a prefix of 8 to 28 bits and no host bits, as 10.43.0.0/16")]
pub struct InvalidCidr {
    text: String,
}

impl FromStr for ServiceCidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let (address, prefix): (Ipv4Addr, u8) = (address.parse().ok()?, prefix.parse().ok()?);
            let cidr = Self { network: u32::from(address), prefix };
            ((8..=28).contains(&prefix) && cidr.network & cidr.host_mask() == 0).then_some(cidr)
        };
        parse().ok_or_else(|| InvalidCidr { text: text.to_owned() })
    }
}

impl ServiceCidr {
    fn host_mask(self) -> u32 {
        u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0)
    }

    /// The first address, which is the `kubernetes` Service's.
    #[must_use]
    pub fn first(self) -> Ipv4Addr {
        Ipv4Addr::from(self.network | 1)
    }

    /// Whether Services may have this address: in the network, and neither its first nor its last.
    #[must_use]
    pub fn assignable(self, address: Ipv4Addr) -> bool {
        let host = u32::from(address) & self.host_mask();
        u32::from(address) & !self.host_mask() == self.network && host != 0 && host != self.host_mask()
    }

    /// A free address, searched from a place that `seed` sets. The lowest sixteenth (at least 16) is left to
    /// addresses that users choose, as in Kubernetes, until all others are taken.
    #[must_use]
    pub fn free(self, seed: u64, taken: impl Fn(Ipv4Addr) -> bool) -> Option<Ipv4Addr> {
        let last = self.host_mask().saturating_sub(1);
        let reserved = (self.host_mask() / 16).clamp(16, 256).min(last / 2);
        let upper = u64::from(last.saturating_sub(reserved)).max(1);
        let start = u32::try_from(seed % upper).unwrap_or(0).saturating_add(reserved).saturating_add(1);
        (start..=last)
            .chain(reserved.saturating_add(1)..start)
            .chain(1..=reserved)
            .map(|host| Ipv4Addr::from(self.network | host))
            .find(|address| !taken(*address))
    }
}

#[cfg(test)]
mod tests;
