//! Destination addresses by range.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::expr::{Cmp, Expr, MetaKey, Payload, Reg};

/// `RTN_LOCAL`: the kind of an address that is this host's own.
pub(crate) const LOCAL: u32 = 2;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
const R0: Reg = Reg(0);

/// An address range, such as 10.0.0.0/8. Bits behind the prefix are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// Any address of the range.
    pub address: IpAddr,
    /// Leading bits that count: at most 32 for IPv4 and 128 for IPv6; more is taken for the most.
    pub prefix: u8,
}

/// In a table of family `inet`: the destination is in the range.
pub(crate) fn within(cidr: Cidr) -> Vec<Expr> {
    let (family, field, address) = match cidr.address {
        IpAddr::V4(address) => (IPV4, Payload::Ip4Destination, address.octets().to_vec()),
        IpAddr::V6(address) => (IPV6, Payload::Ip6Destination, address.octets().to_vec()),
    };
    let mut rule = vec![Expr::Meta(MetaKey::NfProto, R0), Expr::Cmp(R0, Cmp::Eq, vec![family])];
    rule.extend(masked(field, &address, cidr.prefix, Cmp::Eq));
    rule
}

/// In a table of family `ip`: the destination is in the range. None for an IPv6 range.
pub(crate) fn within4(cidr: Cidr) -> Option<Vec<Expr>> {
    compared4(cidr, Cmp::Eq)
}

/// In a table of family `ip`: the destination is outside of the range. None for an IPv6 range.
pub(crate) fn outside4(cidr: Cidr) -> Option<Vec<Expr>> {
    compared4(cidr, Cmp::Ne)
}

fn compared4(cidr: Cidr, cmp: Cmp) -> Option<Vec<Expr>> {
    match cidr.address {
        IpAddr::V4(address) => Some(masked(Payload::Ip4Destination, &address.octets(), cidr.prefix, cmp).into()),
        IpAddr::V6(_) => None,
    }
}

fn masked(field: Payload, address: &[u8], prefix: u8, cmp: Cmp) -> [Expr; 3] {
    let mask = prefix_mask(prefix, address.len());
    let kept = address.iter().zip(&mask).map(|(byte, mask)| byte & mask).collect();
    [Expr::Payload(field, R0), Expr::Mask(R0, mask), Expr::Cmp(R0, cmp, kept)]
}

fn prefix_mask(prefix: u8, len: usize) -> Vec<u8> {
    let bits = usize::from(prefix);
    (0..len)
        .map(|byte| match bits.saturating_sub(byte * 8).min(8) {
            0 => 0,
            ones => 0xffu8 << (8 - ones),
        })
        .collect()
}
