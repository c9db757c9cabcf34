//! The PROXY protocol, version 2: a balancer's word on whom it passes on (haproxy's doc/proxy-protocol.txt, §2.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::limits::PREFACE_BYTES;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// A header that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Preface {
    /// The client; `None`: the balancer itself, or whom it can't name.
    pub(crate) source: Option<SocketAddr>,
    /// Bytes of the header.
    pub(crate) length: usize,
}

/// Why there is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It may come with more bytes.
    Incomplete,
    /// It never will.
    Malformed,
}

/// Reads the header at the beginning of a stream. Its type-length-values must be whole, and are passed over.
pub(crate) fn parse(stream: &[u8]) -> Result<Preface, Unread> {
    let begun = stream.len().min(SIGNATURE.len());
    if stream.get(..begun) != SIGNATURE.get(..begun) {
        return Err(Unread::Malformed);
    }
    let head: &[u8; 16] = stream.first_chunk().ok_or(Unread::Incomplete)?;
    let [.., command, family, high, low] = *head;
    let length = head.len() + usize::from(u16::from_be_bytes([high, low]));
    if length > PREFACE_BYTES || !matches!(command, LOCAL | PROXY) {
        return Err(Unread::Malformed);
    }
    let content = stream.get(head.len()..length).ok_or(Unread::Incomplete)?;
    let source = if command == LOCAL { None } else { client(family, content).ok_or(Unread::Malformed)? };
    Ok(Preface { source, length })
}

/// The client's address, out of a header of this family.
fn client(family: u8, content: &[u8]) -> Option<Option<SocketAddr>> {
    let (source, values) = match family {
        UNSPECIFIED => return Some(None),
        TCP4 => {
            let (addresses, values) = content.split_first_chunk::<12>()?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
            ((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])).into(), values)
        }
        TCP6 => {
            let (addresses, values) = content.split_first_chunk::<36>()?;
            let source = addresses.first_chunk::<16>()?;
            let [.., high, low, _, _] = *addresses;
            ((Ipv6Addr::from(*source), u16::from_be_bytes([high, low])).into(), values)
        }
        // Datagrams and sockets of the file system don't come here.
        _ => return None,
    };
    whole(values).then_some(Some(source))
}

fn whole(mut values: &[u8]) -> bool {
    while let Some(([_, high, low], rest)) = values.split_first_chunk::<3>() {
        let Some(rest) = rest.get(usize::from(u16::from_be_bytes([*high, *low]))..) else { return false };
        values = rest;
    }
    values.is_empty()
}

#[cfg(test)]
mod tests;
