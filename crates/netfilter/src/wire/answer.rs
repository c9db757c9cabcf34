//! The kernel's answers: `NLMSG_ERROR` messages, of which errno 0 is an acknowledgement.

/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
const HEADER: usize = 16;

/// One answer of the kernel to one message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The sequence number of the message that is answered.
    pub(crate) seq: u32,
    /// Zero for an acknowledgement, else the positive errno.
    pub(crate) errno: i32,
}

/// Reads every answer of a datagram. What isn't an answer, or is cut short, is passed over.
pub(crate) fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut out = Vec::new();
    while let Some(len) = u32_at(bytes, 0).and_then(|len| usize::try_from(len).ok()) {
        let Some(message) = bytes.get(..len).filter(|message| message.len() >= HEADER) else { break };
        if let (Some(ERROR), Some(seq), Some(code)) = (u16_at(message, 4), u32_at(message, 8), u32_at(message, HEADER))
        {
            out.push(Answer { seq, errno: code.cast_signed().saturating_neg() });
        }
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    out
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}
