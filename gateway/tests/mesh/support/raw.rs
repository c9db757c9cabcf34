//! Clients and pods without TLS: a gateway reads a ClientHello, and what follows is bytes to it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{address, soon};

/// A ClientHello as rustls writes it, for this name (none for an address) and these protocols.
pub fn hello_with(name: &str, alpn: &[&str]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|a| a.as_bytes().to_vec()).collect();
    let mut client = ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

pub fn hello(name: &str) -> Vec<u8> {
    hello_with(name, &["isthmus-tcp"])
}

/// The same ClientHello with another extension in front of its own.
pub fn with_extension(hello: &[u8], kind: u16, content: &[u8]) -> Vec<u8> {
    let (head, body) = hello.split_at(9);
    let session = usize::from(body[34]);
    let suites = 35 + session;
    let compressions = suites + 2 + usize::from(u16::from_be_bytes([body[suites], body[suites + 1]]));
    let extensions = compressions + 1 + usize::from(body[compressions]);
    let length = u16::try_from(content.len()).unwrap();
    let extension = [&kind.to_be_bytes()[..], &length.to_be_bytes(), content].concat();
    let all = u16::from_be_bytes([body[extensions], body[extensions + 1]]) + 4 + length;
    let message = [&body[..extensions], &all.to_be_bytes(), &extension, &body[extensions + 2..]].concat();
    let long = u32::try_from(message.len()).unwrap().to_be_bytes();
    let message = [&[1], &long[1..], &message].concat();
    records(&head[..3], &message, 1 << 14)
}

/// A ClientHello's message in records of at most `size` bytes.
pub fn fragmented(hello: &[u8], size: usize) -> Vec<u8> {
    records(&hello[..3], &hello[5..], size)
}

fn records(head: &[u8], message: &[u8], size: usize) -> Vec<u8> {
    let record = |part: &[u8]| [head, &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
    message.chunks(size).flat_map(record).collect()
}

/// A pod that takes whatever comes.
pub struct Listener(pub TcpListener);

impl Listener {
    pub async fn new() -> Self {
        Self(TcpListener::bind((address(), 8080)).await.unwrap())
    }

    pub fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next connection, once it has said this.
    pub async fn accept(&self, said: &[u8]) -> TcpStream {
        let (mut stream, _) = soon("a connection for the pod", self.0.accept()).await.unwrap();
        expect(&mut stream, said).await;
        stream
    }
}

/// Connects, and says this.
pub async fn say(addr: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Reads exactly this.
pub async fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    soon("bytes", stream.read_exact(&mut read)).await.unwrap();
    assert!(read == bytes, "{} != {}", read.escape_ascii(), bytes.escape_ascii());
}

/// Reads to the end, which is a regular one.
pub async fn expect_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    soon("the end", stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"");
}

/// Reads to the end, which is a reset; what came before it.
pub async fn expect_reset(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let error = soon("a reset", stream.read_to_end(&mut rest)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
    rest
}

/// Closes with a reset.
pub fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}
