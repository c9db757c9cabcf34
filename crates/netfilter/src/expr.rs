//! The expressions that rules are made of. Each works on the kernel's sixteen 4-byte registers.

mod encode;
#[cfg(test)]
mod tests;

pub(crate) use encode::{value, verdict};

/// A 4-byte register, 0 to 15. Longer values take the registers that follow; a rule is refused by the kernel if they don't exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reg(pub u8);

/// Facts about a packet that aren't in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaKey {
    /// The socket or packet mark (4 bytes, host order).
    Mark,
    /// The index of the interface that it came from (4 bytes, host order).
    IifIndex,
    /// The index of the interface that it leaves by (4 bytes, host order).
    OifIndex,
    /// The name of the interface that it came from (16 bytes, zero-padded).
    IifName,
    /// The name of the interface that it leaves by (16 bytes, zero-padded).
    OifName,
    /// The user that owns the sending socket, as numbered in the network namespace's user namespace (4 bytes, host order).
    SkUid,
    /// The group likewise.
    SkGid,
    /// The address family of an `inet` chain's packet: 2 for IPv4, 10 for IPv6 (1 byte).
    NfProto,
    /// The transport protocol: 6 for TCP, 17 for UDP (1 byte).
    L4Proto,
}

/// Fields of a packet, in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// IPv4 source (4 bytes).
    Ip4Source,
    /// IPv4 destination (4 bytes).
    Ip4Destination,
    /// IPv6 source (16 bytes).
    Ip6Source,
    /// IPv6 destination (16 bytes).
    Ip6Destination,
    /// TCP or UDP source port (2 bytes).
    SourcePort,
    /// TCP or UDP destination port (2 bytes).
    DestinationPort,
}

/// How a register is compared with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cmp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
}

/// Where a packet goes after a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Out of the table, accepted.
    Accept,
    /// Dropped.
    Drop,
    /// Back to the calling chain, or to the base chain's policy.
    Return,
    /// Into another chain, and back at its end.
    Jump(String),
    /// Into another chain, for good.
    Goto(String),
}

/// Which end of a connection is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// The source.
    Snat,
    /// The destination.
    Dnat,
}

/// What the sender of a rejected packet hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectWith {
    /// A TCP reset.
    TcpReset,
    /// "Port unreachable", in a table of family `inet`. A TCP `connect` fails with "connection refused".
    PortUnreachable,
    /// The same in a table of family `ip`, where the kernel would drop silently for the other.
    PortUnreachable4,
}

/// One expression of a rule. A rule ends at the first comparison or look-up that doesn't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Load a fact about the packet.
    Meta(MetaKey, Reg),
    /// Load a field of the packet.
    Payload(Payload, Reg),
    /// Go on only if the register compares so.
    Cmp(Reg, Cmp, Vec<u8>),
    /// Keep only the bits of the mask.
    Mask(Reg, Vec<u8>),
    /// Load a constant.
    Load(Reg, Vec<u8>),
    /// Go on only if the set holds the key that begins at the register.
    InSet(String, Reg),
    /// Go on only if it doesn't.
    NotInSet(String, Reg),
    /// Look the key at the first register up in a map of values, into the second; a missing key ends the rule.
    Map(String, Reg, Reg),
    /// Look the key up in a map of verdicts, and take it; a missing key ends the rule.
    VerdictMap(String, Reg),
    /// Load the kind of the destination address by the routing table; 2 (`RTN_LOCAL`) is an address of this namespace (4 bytes, host order).
    DestinationKind(Reg),
    /// Load a random number from 0 up to, but not including, the modulus (4 bytes, host order).
    Random(u32, Reg),
    /// Load a number that counts up by connection, modulo the modulus (4 bytes, host order).
    RoundRobin(u32, Reg),
    /// Load the connection-tracking state bits (4 bytes, host order): 2 established, 4 related, 8 new.
    CtState(Reg),
    /// Count packets and bytes.
    Counter,
    /// Rewrite one end to the IPv4 address in the first register and the port in the second.
    Nat4(NatKind, Reg, Option<Reg>),
    /// Rewrite one end to the IPv6 address in the first register and the port in the second.
    Nat6(NatKind, Reg, Option<Reg>),
    /// Rewrite the destination to this host, at the port in the register.
    Redirect(Reg),
    /// Rewrite the source to the address of the interface that the packet leaves by.
    Masquerade,
    /// Refuse the packet. Its chain must be of type filter.
    Reject(RejectWith),
    /// Decide.
    Verdict(Verdict),
}
