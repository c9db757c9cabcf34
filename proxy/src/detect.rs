//! What protocol a connection speaks, from its first bytes.

pub mod client_hello;

use std::{io, time::Duration};

use isthmus_core::destination::ProtocolHint;

use crate::{
    limits::{DETECT_BYTES, DETECT_TIME},
    transport::Transport,
};

const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Longest method name taken for HTTP/1.
const METHOD: usize = 32;

/// What the first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// A TLS ClientHello.
    Tls,
    /// Something else: opaque TCP.
    Opaque,
}

/// What came of looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sniffed {
    Is(Protocol),
    /// The client has said nothing: perhaps the server is to speak first.
    Silent,
    /// The client closed without a word.
    Closed,
}

/// Decides from the bytes so far; `None`: more are needed.
pub(crate) fn look(bytes: &[u8]) -> Option<Protocol> {
    let first = *bytes.first()?;
    if first == client_hello::HANDSHAKE {
        return match (bytes.get(1), bytes.get(5)) {
            (Some(3) | None, Some(1) | None) => (bytes.len() > 5).then_some(Protocol::Tls),
            _ => Some(Protocol::Opaque),
        };
    }
    if bytes.starts_with(H2_PREFACE) {
        return Some(Protocol::Http2);
    }
    if H2_PREFACE.starts_with(bytes) {
        return None;
    }
    request_line(bytes)
}

/// A whole request line is needed: `GET key\r\n` is redis, `GET / HTTP/1.1\r\n` is HTTP.
fn request_line(bytes: &[u8]) -> Option<Protocol> {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let method = bytes.iter().take_while(|b| token(b)).count();
    if method == 0 || method > METHOD {
        return Some(Protocol::Opaque);
    }
    match bytes.get(method) {
        None => return None,
        Some(b' ') => {}
        Some(_) => return Some(Protocol::Opaque),
    }
    let end = bytes.iter().position(|b| *b == b'\n');
    let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    if !line.iter().all(|b| *b >= b' ' || *b == b'\r') {
        return Some(Protocol::Opaque);
    }
    if end.is_none() {
        return (bytes.len() >= DETECT_BYTES).then_some(Protocol::Opaque);
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let version = line.rsplit(|b| *b == b' ').next().unwrap_or_default();
    Some(if version == b"HTTP/1.1" || version == b"HTTP/1.0" { Protocol::Http1 } else { Protocol::Opaque })
}

/// Reads ahead until the protocol is plain. A client that says nothing for `silence` is reported as such.
pub(crate) async fn sniff(io: &mut Transport, silence: Option<Duration>) -> io::Result<Sniffed> {
    if io.seen().is_empty() {
        let first = io.look_further(DETECT_BYTES);
        let read = match silence {
            None => first.await?,
            Some(silence) => match tokio::time::timeout(silence, first).await {
                Ok(read) => read?,
                Err(_) => return Ok(Sniffed::Silent),
            },
        };
        if read == 0 {
            return Ok(Sniffed::Closed);
        }
    }
    if let Some(protocol) = look(io.seen()) {
        return Ok(Sniffed::Is(protocol));
    }
    let rest = async {
        loop {
            if io.seen().len() >= DETECT_BYTES || io.look_further(DETECT_BYTES).await? == 0 {
                return Ok(Protocol::Opaque);
            }
            if let Some(protocol) = look(io.seen()) {
                return Ok(protocol);
            }
        }
    };
    match tokio::time::timeout(DETECT_TIME, rest).await {
        Ok(protocol) => protocol.map(Sniffed::Is),
        Err(_) => Ok(Sniffed::Is(Protocol::Opaque)),
    }
}

/// What is known without looking.
pub(crate) fn hinted(hint: ProtocolHint) -> Option<Protocol> {
    match hint {
        ProtocolHint::Detect => None,
        ProtocolHint::Http1 => Some(Protocol::Http1),
        ProtocolHint::Http2 => Some(Protocol::Http2),
        ProtocolHint::Opaque => Some(Protocol::Opaque),
    }
}

#[cfg(test)]
mod tests;
