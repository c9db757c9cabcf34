//! IPv4 ranges.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 range, such as 10.42.0.0/16. Its address is the first of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: Ipv4Addr,
    prefix: u8,
}

/// A range that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not an IPv4 range such as 10.42.0.0/16 (prefix 0 to 30)")]
pub struct BadCidr {
    /// The text as given.
    pub text: String,
}

impl Cidr {
    /// The range that an address lies in; bits behind the prefix (at most 30) are cut off.
    pub fn new(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = prefix.min(30);
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        Cidr { address: Ipv4Addr::from_bits(address.to_bits() & mask), prefix }
    }

    /// The first address, which names the range.
    pub fn first(&self) -> Ipv4Addr {
        self.address
    }

    /// Leading bits that all addresses of the range share.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// How many addresses the range has.
    pub fn size(&self) -> u64 {
        1u64 << (32 - u32::from(self.prefix))
    }

    /// The address at a distance from the first; None beyond the last.
    pub fn nth(&self, n: u32) -> Option<Ipv4Addr> {
        (u64::from(n) < self.size()).then(|| Ipv4Addr::from_bits(self.address.to_bits() | n))
    }

    /// Whether the address lies in the range.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        Cidr::new(address, self.prefix).address == self.address
    }
}

impl From<Cidr> for isthmus_netfilter::Cidr {
    fn from(range: Cidr) -> Self {
        isthmus_netfilter::Cidr { address: range.address.into(), prefix: range.prefix }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = BadCidr;

    fn from_str(text: &str) -> Result<Self, BadCidr> {
        let bad = || BadCidr { text: text.to_owned() };
        let (address, prefix) = text.split_once('/').ok_or_else(bad)?;
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 30).ok_or_else(bad)?;
        Ok(Cidr::new(address.parse().map_err(|_| bad())?, prefix))
    }
}
