//! Expressions as netlink attributes; the numbers are those of `linux/netfilter/nf_tables.h`.

use super::{Cmp, Expr, MetaKey, NatKind, Payload, Reg, RejectWith, Verdict};
use crate::wire::Attrs;

/// `NFT_REG32_00`: where the 4-byte registers begin.
const REG32_00: u32 = 8;
/// `NFT_REG_VERDICT`.
const REG_VERDICT: u32 = 0;
const IPV4: u32 = 2;
const IPV6: u32 = 10;

impl Reg {
    fn number(self) -> u32 {
        REG32_00 + u32::from(self.0)
    }
}

impl MetaKey {
    fn number(self) -> u32 {
        match self {
            MetaKey::Mark => 3,
            MetaKey::IifIndex => 4,
            MetaKey::OifIndex => 5,
            MetaKey::IifName => 6,
            MetaKey::OifName => 7,
            MetaKey::SkUid => 10,
            MetaKey::SkGid => 11,
            MetaKey::NfProto => 15,
            MetaKey::L4Proto => 16,
        }
    }
}

impl Payload {
    /// Base (1 network header, 2 transport header), offset, length.
    fn place(self) -> (u32, u32, u32) {
        match self {
            Payload::Ip4Source => (1, 12, 4),
            Payload::Ip4Destination => (1, 16, 4),
            Payload::Ip6Source => (1, 8, 16),
            Payload::Ip6Destination => (1, 24, 16),
            Payload::SourcePort => (2, 0, 2),
            Payload::DestinationPort => (2, 2, 2),
        }
    }
}

/// `NFTA_*_DATA` holding a constant.
pub(crate) fn value(attrs: &mut Attrs, kind: u16, bytes: &[u8]) {
    attrs.nested(kind, |data| {
        data.raw(1, bytes);
    });
}

/// `NFTA_*_DATA` holding a verdict.
pub(crate) fn verdict(attrs: &mut Attrs, kind: u16, verdict: &Verdict) {
    let (code, chain) = match verdict {
        Verdict::Drop => (0, None),
        Verdict::Accept => (1, None),
        Verdict::Jump(chain) => (-3, Some(chain)),
        Verdict::Goto(chain) => (-4, Some(chain)),
        Verdict::Return => (-5i32, None),
    };
    attrs.nested(kind, |data| {
        data.nested(2, |body| {
            body.u32(1, code.cast_unsigned());
            if let Some(chain) = chain {
                body.str(2, chain);
            }
        });
    });
}

impl Expr {
    /// The kernel's name of the expression.
    fn name(&self) -> &'static str {
        match self {
            Expr::Meta(..) => "meta",
            Expr::Payload(..) => "payload",
            Expr::Cmp(..) => "cmp",
            Expr::Mask(..) => "bitwise",
            Expr::Load(..) | Expr::Verdict(_) => "immediate",
            Expr::InSet(..) | Expr::NotInSet(..) | Expr::Map(..) | Expr::VerdictMap(..) => "lookup",
            Expr::DestinationKind(_) => "fib",
            Expr::Random(..) | Expr::RoundRobin(..) => "numgen",
            Expr::CtState(_) => "ct",
            Expr::Counter => "counter",
            Expr::Nat4(..) | Expr::Nat6(..) => "nat",
            Expr::Redirect(_) => "redir",
            Expr::Masquerade => "masq",
            Expr::Reject(_) => "reject",
        }
    }

    /// Appends `NFTA_LIST_ELEM { NFTA_EXPR_NAME, NFTA_EXPR_DATA }`.
    pub(crate) fn encode(&self, list: &mut Attrs) {
        list.nested(1, |expr| {
            expr.str(1, self.name()).nested(2, |data| self.data(data));
        });
    }

    fn data(&self, a: &mut Attrs) {
        match self {
            Expr::Meta(key, to) => {
                a.u32(1, to.number()).u32(2, key.number());
            }
            Expr::Payload(field, to) => {
                let (base, offset, len) = field.place();
                a.u32(1, to.number()).u32(2, base).u32(3, offset).u32(4, len);
            }
            Expr::Cmp(from, op, bytes) => {
                a.u32(1, from.number()).u32(2, u32::from(*op == Cmp::Ne));
                value(a, 3, bytes);
            }
            Expr::Mask(reg, mask) => {
                let len = u32::try_from(mask.len()).unwrap_or(u32::MAX);
                a.u32(1, reg.number()).u32(2, reg.number()).u32(3, len);
                value(a, 4, mask);
                value(a, 5, &vec![0; mask.len()]);
            }
            Expr::Load(to, bytes) => {
                a.u32(1, to.number());
                value(a, 2, bytes);
            }
            Expr::Verdict(outcome) => {
                a.u32(1, REG_VERDICT);
                verdict(a, 2, outcome);
            }
            Expr::InSet(set, key) => {
                a.str(1, set).u32(2, key.number());
            }
            Expr::NotInSet(set, key) => {
                a.str(1, set).u32(2, key.number()).u32(5, 1);
            }
            Expr::Map(set, key, to) => {
                a.str(1, set).u32(2, key.number()).u32(3, to.number());
            }
            Expr::VerdictMap(set, key) => {
                a.str(1, set).u32(2, key.number()).u32(3, REG_VERDICT);
            }
            // NFT_FIB_RESULT_ADDRTYPE of NFTA_FIB_F_DADDR.
            Expr::DestinationKind(to) => {
                a.u32(1, to.number()).u32(2, 3).u32(3, 2);
            }
            Expr::RoundRobin(modulus, to) => {
                a.u32(1, to.number()).u32(2, *modulus).u32(3, 0);
            }
            Expr::Random(modulus, to) => {
                a.u32(1, to.number()).u32(2, *modulus).u32(3, 1);
            }
            Expr::CtState(to) => {
                a.u32(1, to.number()).u32(2, 0);
            }
            Expr::Counter | Expr::Masquerade => {}
            Expr::Nat4(kind, addr, port) => nat(a, *kind, IPV4, *addr, *port),
            Expr::Nat6(kind, addr, port) => nat(a, *kind, IPV6, *addr, *port),
            Expr::Redirect(port) => {
                a.u32(1, port.number());
            }
            Expr::Reject(RejectWith::TcpReset) => {
                a.u32(1, 1);
            }
            // NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH.
            Expr::Reject(RejectWith::PortUnreachable) => {
                a.u32(1, 2).raw(2, &[1]);
            }
            // NFT_REJECT_ICMP_UNREACH, ICMP_PORT_UNREACH.
            Expr::Reject(RejectWith::PortUnreachable4) => {
                a.u32(1, 0).raw(2, &[3]);
            }
        }
    }
}

fn nat(a: &mut Attrs, kind: NatKind, family: u32, addr: Reg, port: Option<Reg>) {
    a.u32(1, u32::from(kind == NatKind::Dnat)).u32(2, family).u32(3, addr.number());
    if let Some(port) = port {
        a.u32(5, port.number());
    }
}
