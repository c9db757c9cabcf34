//! Connections that begin as mesh TLS does, and go on with bytes that no relay looks at.

use std::{
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use isthmus_core::{federation::RemoteName, id::ObjectName};
use isthmus_identity::{ExpectedPeer, MeshTls, SvidCell, TrustStore};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::rustls::{ClientConnection, pki_types::ServerName};

use super::SERVICE_PORT;
use crate::{
    echo::{BODY, ECHO, ID, ONCE, body, pattern},
    load::{Client, PATIENCE, dial, transfer},
};

/// Bytes of one transfer; each connection makes one after the other.
const TRANSFER: u64 = 32 << 20;

/// The name by which relays find the application.
pub(super) fn name() -> anyhow::Result<RemoteName> {
    let service = ObjectName::new("shop", "web");
    Ok(RemoteName { token: None, port: SERVICE_PORT, service, mesh: "west".parse()? })
}

/// The ClientHello of a sidecar: one record, with that name and mesh TLS's protocol.
static HELLO: LazyLock<Result<Vec<u8>, String>> = LazyLock::new(|| hello().map_err(|error| format!("{error:#}")));

pub(super) fn hello() -> anyhow::Result<Vec<u8>> {
    let tls = MeshTls::new(Arc::new(TrustStore::new()), Arc::new(SvidCell::new()));
    let config = tls.client_config(&[b"isthmus-tcp"], ExpectedPeer::AnyOf(Arc::new([])))?;
    let mut connection = ClientConnection::new(config, ServerName::try_from(name()?.to_string())?)?;
    let mut bytes = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut bytes)?;
    }
    Ok(bytes)
}

/// The ClientHello of another connection: no two have the same random bytes, and a gateway would know that one has come round.
fn fresh(hello: &[u8]) -> Vec<u8> {
    const RANDOM: std::ops::Range<usize> = 11..43;
    static OPENED: AtomicU64 = AtomicU64::new(0);
    let mut hello = hello.to_owned();
    let opened = OPENED.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    for (byte, other) in hello.get_mut(RANDOM).into_iter().flatten().zip(opened) {
        *byte = other;
    }
    hello
}

/// A connection on which the relay has what it needs to know.
async fn open(to: SocketAddr) -> anyhow::Result<TcpStream> {
    let hello = HELLO.as_ref().map_err(|error| anyhow::anyhow!("no ClientHello: {error}"))?;
    let mut stream = dial(to).await?;
    stream.write_all(&fresh(hello)).await?;
    Ok(stream)
}

/// A connection that is sent back what it sends.
pub(super) struct Relayed(TcpStream);

impl Client for Relayed {
    async fn connect(to: SocketAddr, streams: usize) -> anyhow::Result<Vec<Self>> {
        ensure!(streams == 1, "TCP has one stream");
        let mut stream = open(to).await?;
        stream.write_u8(ECHO).await?;
        Ok(vec![Self(stream)])
    }

    async fn exchange(&mut self, id: &[u8; ID]) -> anyhow::Result<()> {
        let message = body(id);
        self.0.write_all(&message).await?;
        let mut answer = [0; BODY];
        self.0.read_exact(&mut answer).await?;
        ensure!(answer == message, "not what was sent");
        Ok(())
    }
}

/// A new connection for each exchange: a byte each way, then its end.
pub(super) struct Short(SocketAddr);

impl Client for Short {
    async fn connect(to: SocketAddr, _: usize) -> anyhow::Result<Vec<Self>> {
        Ok(vec![Self(to)])
    }

    async fn exchange(&mut self, _: &[u8; ID]) -> anyhow::Result<()> {
        let mut stream = open(self.0).await?;
        stream.write_u8(ONCE).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        ensure!(answer == [ONCE], "a connection was answered {answer:?}");
        Ok(())
    }
}

/// Transfers on so many connections, half of them each way, for a time. Gives the bytes of all, and how long it took.
pub(super) async fn transfers(to: SocketAddr, connections: usize, time: Duration) -> anyhow::Result<(u64, Duration)> {
    let pattern = pattern();
    let start = Instant::now();
    let loops = (0..connections).map(async |index| {
        let mut stream = open(to).await?;
        let mut bytes = 0;
        while start.elapsed() < time {
            transfer(&mut stream, index % 2 == 0, &pattern, TRANSFER).await?;
            bytes += TRANSFER;
        }
        anyhow::Ok(bytes)
    });
    let all = timeout(time + PATIENCE, try_join_all(loops)).await.context("transfers took too long")?;
    Ok((all?.into_iter().sum(), start.elapsed()))
}
