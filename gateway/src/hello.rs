//! What a client says before its connection goes anywhere: perhaps a balancer's word on it, then its ClientHello. Bounded in bytes.

use std::{io, net::SocketAddr};

use bytes::{Buf, BufMut, BytesMut};
use isthmus_core::federation::RemoteName;
use isthmus_proxy::client_hello::{self, ClientHello};
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{
    limits::{HELLO_BYTES, PREFACE_BYTES},
    preface::{self, Preface},
    refusal::Refusal,
};

/// What the protocols begin with that meshes speak inside their TLS.
const PROTOCOLS: &[u8] = b"isthmus-";
/// Room for most clients' first bytes, a post-quantum key share among them.
const USUAL: usize = 2048;

/// A client's ClientHello.
#[derive(Debug)]
pub(crate) struct Hello {
    /// All that was read, to be passed on as it is.
    pub(crate) bytes: BytesMut,
    pub(crate) name: RemoteName,
    /// Tells this connection from every other.
    pub(crate) random: [u8; 32],
}

/// Reads the header that a balancer puts before a connection; what follows it stays in `bytes`.
pub(crate) async fn preface(stream: &mut TcpStream, bytes: &mut BytesMut) -> Result<Option<SocketAddr>, Refusal> {
    loop {
        match preface::parse(bytes) {
            Ok(Preface { source, length }) => {
                bytes.advance(length);
                return Ok(source);
            }
            Err(preface::Unread::Malformed) => return Err(Refusal::Preface),
            Err(preface::Unread::Incomplete) => read(stream, bytes, PREFACE_BYTES, Refusal::Preface).await?,
        }
    }
}

/// Reads the ClientHello.
pub(crate) async fn hello(stream: &mut TcpStream, mut bytes: BytesMut) -> Result<Hello, Refusal> {
    loop {
        match client_hello::parse(&bytes) {
            Ok(hello) => {
                let name = name(&hello)?;
                return Ok(Hello { bytes, name, random: hello.random });
            }
            Err(client_hello::Unread::Malformed) => return Err(Refusal::NotTls),
            Err(client_hello::Unread::Incomplete) => read(stream, &mut bytes, HELLO_BYTES, Refusal::HelloLong).await?,
        }
    }
}

/// Where it wants to go.
pub(crate) fn name(hello: &ClientHello) -> Result<RemoteName, Refusal> {
    let name = hello.server_name.as_deref().ok_or(Refusal::NoName)?;
    let name = name.parse().map_err(|_| Refusal::BadName)?;
    let ours = hello.alpn.iter().any(|protocol| protocol.starts_with(PROTOCOLS));
    if ours { Ok(name) } else { Err(Refusal::Protocol) }
}

/// Reads more, up to so many bytes in all.
async fn read(stream: &mut TcpStream, bytes: &mut BytesMut, most: usize, beyond: Refusal) -> Result<(), Refusal> {
    let room = most.saturating_sub(bytes.len());
    if room == 0 {
        return Err(beyond);
    }
    bytes.reserve(room.min(USUAL));
    let read: io::Result<usize> = stream.read_buf(&mut bytes.limit(room)).await;
    match read {
        Ok(1..) => Ok(()),
        _ => Err(Refusal::Closed),
    }
}
