//! Refusing so that the sender hears of it.

use crate::expr::{Cmp, Expr, MetaKey, Reg, RejectWith};

const TCP: u8 = 6;

/// TCP hears a reset, which a socket takes even while it is still in `connect`; an ICMP error it would then miss, and wait a second for
/// the next.
pub(crate) fn rejections(condition: &[Expr]) -> Vec<Vec<Expr>> {
    let tcp = [Expr::Meta(MetaKey::L4Proto, Reg(0)), Expr::Cmp(Reg(0), Cmp::Eq, vec![TCP])];
    let reset = [&tcp, condition, &[Expr::Reject(RejectWith::TcpReset)]].concat();
    vec![reset, [condition, &[Expr::Reject(RejectWith::PortUnreachable4)]].concat()]
}
