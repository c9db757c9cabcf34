//! TCP: small messages sent back, and long transfers either way.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Client, PATIENCE, dial};
use crate::echo::{
    BODY, DOWNLOAD, ECHO, ID, UPLOAD, body, pattern,
    tcp::{receive, send},
};

/// Bytes of one transfer; each connection makes one after the other.
const TRANSFER: u64 = 32 << 20;

/// A connection that is sent back what it sends.
#[derive(Debug)]
pub(crate) struct TcpEcho(TcpStream);

impl Client for TcpEcho {
    async fn connect(to: SocketAddr, streams: usize) -> anyhow::Result<Vec<Self>> {
        ensure!(streams == 1, "TCP has one stream");
        let mut stream = dial(to).await?;
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

/// Transfers on so many connections, half of them each way, for a time. Gives the bytes of all.
pub(crate) async fn transfers(to: SocketAddr, connections: usize, time: Duration) -> anyhow::Result<u64> {
    let pattern = pattern();
    let start = Instant::now();
    let loops = (0..connections).map(async |index| {
        let mut stream = dial(to).await?;
        let mut bytes = 0;
        while start.elapsed() < time {
            transfer(&mut stream, index % 2 == 0, &pattern, TRANSFER).await?;
            bytes += TRANSFER;
        }
        anyhow::Ok(bytes)
    });
    let all = timeout(time + PATIENCE, try_join_all(loops)).await.context("transfers took too long")?;
    Ok(all?.into_iter().sum())
}

/// One transfer, down or up, every byte checked at its end.
pub(crate) async fn transfer(stream: &mut TcpStream, down: bool, pattern: &[u8], bytes: u64) -> anyhow::Result<()> {
    stream.write_u8(if down { DOWNLOAD } else { UPLOAD }).await?;
    stream.write_u64(bytes).await?;
    if down {
        return receive(stream, pattern, bytes).await;
    }
    send(stream, pattern, bytes).await?;
    ensure!(stream.read_u8().await? == UPLOAD, "an upload was not confirmed");
    Ok(())
}
