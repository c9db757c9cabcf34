//! The load generator: closed loops for saturation, an open loop for latency. Every answer is checked; any failure fails
//! the run.

mod grpc;
mod http1;
mod http2;
mod pace;
mod tcp;

use std::{
    future::Future,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::future::try_join_all;
use tokio::{net::TcpStream, time::timeout};

pub(crate) use grpc::Grpc;
pub(crate) use http1::Http1;
pub(crate) use http2::Http2;
pub(crate) use pace::open_loop;
pub(crate) use tcp::{TcpEcho, transfer, transfers};

/// How long connecting, or what is under way at the end of a phase, may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One request after the other.
pub(crate) trait Client: Sized + 'static {
    /// Opens one connection, for so many requests at a time.
    fn connect(to: SocketAddr, streams: usize) -> impl Future<Output = anyhow::Result<Vec<Self>>>;

    /// Sends a request and checks its answer.
    fn exchange(&mut self, id: &[u8; crate::echo::ID]) -> impl Future<Output = anyhow::Result<()>>;
}

/// A number as an ID: hexadecimal digits.
pub(crate) fn id(number: u64) -> [u8; crate::echo::ID] {
    let mut digits = [b'0'; crate::echo::ID];
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        let nibble = u32::try_from(number >> (4 * place) & 0xf).ok();
        *digit = nibble.and_then(|n| char::from_digit(n, 16)).map_or(b'0', |c| c as u8);
    }
    digits
}

/// Opens so many connections, one after the other so that no backlog overflows.
pub(crate) async fn connect<C: Client>(to: SocketAddr, connections: usize, streams: usize) -> anyhow::Result<Vec<C>> {
    let mut clients = Vec::with_capacity(connections * streams);
    for _ in 0..connections {
        clients.extend(timeout(PATIENCE, C::connect(to, streams)).await.context("connecting took too long")??);
    }
    Ok(clients)
}

/// Each client sends its next request when it has the answer to the last. Gives how many were answered, and in what time.
pub(crate) async fn closed_loop<C: Client>(clients: &mut [C], time: Duration) -> anyhow::Result<(u64, Duration)> {
    let start = Instant::now();
    let loops = clients.iter_mut().enumerate().map(async |(index, client)| {
        let mut answered = 0;
        while start.elapsed() < time {
            client.exchange(&id((index as u64) << 40 | answered)).await?;
            answered += 1;
        }
        anyhow::Ok(answered)
    });
    let all = timeout(time + PATIENCE, try_join_all(loops)).await.context("requests took too long")?;
    Ok((all?.into_iter().sum(), start.elapsed()))
}

pub(crate) async fn dial(to: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(to).await.with_context(|| format!("can't connect to {to}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests;
