//! Netlink's bytes: headers and attributes going out, acknowledgements coming in.

mod answer;
#[cfg(test)]
mod tests;

pub(crate) use answer::{Answer, answers};

/// `NFNL_SUBSYS_NFTABLES`: the part of nfnetlink that speaks nf_tables.
const SUBSYSTEM: u8 = 10;
/// `NLM_F_REQUEST`: every message to the kernel carries it.
pub(crate) const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: answer also when all is well.
pub(crate) const ACK: u16 = 0x4;
/// `NLM_F_CREATE`: make the object when it isn't there.
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`: a rule goes behind the rules before it.
pub(crate) const APPEND: u16 = 0x800;
/// `NLA_F_NESTED`: this attribute holds attributes.
const NESTED: u16 = 0x8000;
const HEADER: usize = 16;

/// What a message does; the numbers are `enum nf_tables_msg_types`, and the two of nfnetlink's batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    BatchBegin,
    BatchEnd,
    NewTable,
    DelTable,
    NewChain,
    NewRule,
    NewSet,
    NewElements,
}

impl Op {
    fn message_type(self) -> u16 {
        let nftables = u16::from(SUBSYSTEM) << 8;
        match self {
            Op::BatchBegin => 0x10,
            Op::BatchEnd => 0x11,
            Op::NewTable => nftables,
            Op::DelTable => nftables | 2,
            Op::NewChain => nftables | 3,
            Op::NewRule => nftables | 6,
            Op::NewSet => nftables | 9,
            Op::NewElements => nftables | 12,
        }
    }

    /// `nfgenmsg.res_id`: a batch's marks name the subsystem that they are for.
    fn resource(self) -> u16 {
        match self {
            Op::BatchBegin | Op::BatchEnd => u16::from(SUBSYSTEM),
            _ => 0,
        }
    }
}

/// A whole netlink message: header, `nfgenmsg`, attributes. None if it would be longer than 32 bits can say.
pub(crate) fn message(op: Op, family: u8, flags: u16, seq: u32, attrs: &[u8]) -> Option<Vec<u8>> {
    let len = HEADER + 4 + attrs.len();
    let mut out = Vec::with_capacity(len);
    out.extend(u32::try_from(len).ok()?.to_ne_bytes());
    out.extend(op.message_type().to_ne_bytes());
    out.extend((flags | REQUEST).to_ne_bytes());
    out.extend(seq.to_ne_bytes());
    out.extend(0u32.to_ne_bytes());
    out.extend([family, 0]);
    out.extend(op.resource().to_be_bytes());
    out.extend(attrs);
    Some(out)
}

/// Attributes one after the other, each padded to four bytes. nf_tables' integers are big-endian.
#[derive(Default)]
pub(crate) struct Attrs {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Attrs {
    pub(crate) fn raw(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        match u16::try_from(value.len() + 4) {
            Ok(len) => self.bytes.extend(len.to_ne_bytes()),
            Err(_) => self.too_long = true,
        }
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.raw(kind, &value.to_be_bytes())
    }

    /// A zero-terminated string.
    pub(crate) fn str(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.raw(kind, &bytes)
    }

    pub(crate) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Attrs)) -> &mut Self {
        let mut inner = Attrs::default();
        fill(&mut inner);
        self.too_long |= inner.too_long;
        self.raw(kind | NESTED, &inner.bytes)
    }

    /// The bytes, or None when an attribute was too long for its 16-bit length.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        (!self.too_long).then_some(self.bytes)
    }
}
