//! One batch to the kernel, and its verdict.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use crate::error::Error;
use crate::wire::{self, Answer, Op};

/// `MSG_DONTWAIT`: the kernel answers a batch before `send` returns, so nothing is ever waited for.
const DONT_WAIT: i32 = 0x40;
/// Room for one datagram of answers; an answer repeats the header of the message that it refuses, never more than the message.
const RECEIVE: usize = 64 * 1024;
/// What the kernel counts for a datagram beside its bytes.
const HEADROOM: usize = 64 * 1024;
/// `ENOENT`, for [`run`]'s callers that take a missing table for a removed one.
pub(crate) const ENOENT: i32 = 2;

/// A message of the batch, and what it does in words for the error that may come back.
pub(crate) struct Message {
    pub(crate) what: String,
    pub(crate) op: Op,
    pub(crate) family: u8,
    pub(crate) flags: u16,
    /// None: an attribute was too long.
    pub(crate) attrs: Option<Vec<u8>>,
}

/// Sends the messages as one transaction, in the calling thread's network namespace.
pub(crate) fn run(messages: &[Message]) -> Result<(), Error> {
    let bytes = encode(messages)?;
    let mut socket = Socket::new(NETLINK_NETFILTER).map_err(|source| Error::Socket { step: "open", source })?;
    socket.bind_auto().map_err(|source| Error::Socket { step: "bind", source })?;
    // A batch is one datagram. Beyond the system's limit (net.core.wmem_max) the kernel answers "message too long".
    let _best_effort = socket2::SockRef::from(&socket).set_send_buffer_size(bytes.len() + HEADROOM);
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0).map_err(|source| Error::Socket { step: "send", source })?;
    verdict(messages, &receive(&socket)?)
}

fn encode(messages: &[Message]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let last = messages.len();
    let mark = |op, seq| wire::message(op, 0, 0, seq, &[]).unwrap_or_default();
    out.extend(mark(Op::BatchBegin, 0));
    for (seq, message) in (1u32..).zip(messages) {
        // Only the last one asks for an acknowledgement; refusals always come back.
        let ack = if usize::try_from(seq) == Ok(last) { wire::ACK } else { 0 };
        let encoded = message
            .attrs
            .as_ref()
            .and_then(|attrs| wire::message(message.op, message.family, message.flags | ack, seq, attrs))
            .ok_or_else(|| Error::TooLong { what: message.what.clone() })?;
        out.extend(encoded);
    }
    out.extend(mark(Op::BatchEnd, 0));
    Ok(out)
}

fn receive(socket: &Socket) -> Result<Vec<Answer>, Error> {
    let mut all = Vec::new();
    loop {
        let mut buffer = Vec::with_capacity(RECEIVE);
        match socket.recv(&mut buffer, DONT_WAIT) {
            Ok(_) => all.extend(wire::answers(&buffer)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(all),
            Err(source) => return Err(Error::Socket { step: "receive", source }),
        }
    }
}

/// The first refusal is the cause; those after it are often its consequences.
fn verdict(messages: &[Message], answers: &[Answer]) -> Result<(), Error> {
    if let Some(refusal) = answers.iter().find(|answer| answer.errno != 0) {
        let index = usize::try_from(refusal.seq).ok().and_then(|seq| seq.checked_sub(1));
        let what =
            index.and_then(|index| messages.get(index)).map_or("commit the batch", |message| message.what.as_str());
        return Err(Error::Refused { what: what.to_owned(), source: io::Error::from_raw_os_error(refusal.errno) });
    }
    match answers.is_empty() {
        true => Err(Error::NoAnswer { messages: messages.len() }),
        false => Ok(()),
    }
}
