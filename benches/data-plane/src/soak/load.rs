//! The load: every kind of traffic at its own rate, some 350 requests a second together.

mod upgrade;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::future::{LocalBoxFuture, try_join_all};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{MissedTickBehavior, timeout},
};

use crate::{
    case::Protocol,
    echo::{
        BODIES,
        http1::{content_length, end_of_head},
        pattern,
        tcp::{receive, send},
    },
    load::{self, Client, Grpc, Http1, Http2, TcpEcho, dial, id},
    measure,
    namespace::SERVICE,
};

/// How long one request, or one transfer, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a large body, and of a transfer.
const LARGE: u64 = 4 << 20;

/// What was done, and how often.
pub(super) type Counts = Vec<(&'static str, u64)>;

fn at(protocol: Protocol) -> SocketAddr {
    (SERVICE, protocol.service_port()).into()
}

/// Waits until every protocol is served.
pub(super) async fn first_answers() -> anyhow::Result<()> {
    measure::answers::<Http1>(at(Protocol::Http1)).await?;
    measure::answers::<Grpc>(at(Protocol::Grpc)).await?;
    measure::answers::<TcpEcho>(at(Protocol::Tcp)).await
}

/// All of it, until then.
pub(super) async fn run(until: Instant) -> anyhow::Result<Counts> {
    let ms = Duration::from_millis;
    let kinds: [LocalBoxFuture<'_, anyhow::Result<(&'static str, u64)>>; 8] = [
        Box::pin(kept::<Http1>("HTTP/1.1 requests", at(Protocol::Http1), (20, 1), ms(130), until)),
        Box::pin(kept::<Http2>("HTTP/2 requests", at(Protocol::Http2), (2, 5), ms(150), until)),
        Box::pin(kept::<Grpc>("gRPC calls", at(Protocol::Grpc), (2, 5), ms(150), until)),
        Box::pin(kept::<TcpEcho>("TCP messages", at(Protocol::Tcp), (6, 1), ms(120), until)),
        Box::pin(every("connections for one request", ms(60), until, async |round| {
            let mut clients = Http1::connect(at(Protocol::Http1), 1).await?;
            clients.first_mut().context("no client")?.exchange(&id(round)).await
        })),
        Box::pin(every("bodies of 4 MiB sent back", ms(1500), until, async |_| large_body().await)),
        Box::pin(every("TCP transfers of 4 MiB", ms(1700), until, async |round| {
            load::transfer(&mut dial(at(Protocol::Tcp)).await?, round % 2 == 0, &pattern(), LARGE).await
        })),
        Box::pin(every("upgraded connections", ms(1100), until, async |_| upgrade::talk(at(Protocol::Http1)).await)),
    ];
    try_join_all(kinds).await
}

/// Connections that are kept, each client at the interval.
async fn kept<C: Client>(
    what: &'static str,
    to: SocketAddr,
    (connections, streams): (usize, usize),
    interval: Duration,
    until: Instant,
) -> anyhow::Result<(&'static str, u64)> {
    let clients = load::connect::<C>(to, connections, streams).await?;
    let loops = clients.into_iter().enumerate().map(async |(index, mut client)| {
        every(what, interval, until, async |round| client.exchange(&id((index as u64) << 40 | round)).await).await
    });
    Ok((what, try_join_all(loops).await?.into_iter().map(|(_, count)| count).sum()))
}

/// Does something again and again. The first failure is the end.
async fn every(
    what: &'static str,
    interval: Duration,
    until: Instant,
    mut act: impl AsyncFnMut(u64) -> anyhow::Result<()>,
) -> anyhow::Result<(&'static str, u64)> {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut done = 0;
    while Instant::now() < until {
        ticks.tick().await;
        let result = timeout(PATIENCE, act(done)).await.context("no answer in time").and_then(|result| result);
        result.with_context(|| format!("{what}: after {done} without a failure"))?;
        done += 1;
    }
    Ok((what, done))
}

/// A body sent and received at the same time, through buffers that it doesn't fit.
async fn large_body() -> anyhow::Result<()> {
    let mut stream = dial(at(Protocol::Http1)).await?;
    let head = format!("POST {BODIES} HTTP/1.1\r\nhost: web.shop\r\ncontent-length: {LARGE}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let pattern = pattern();
    let (mut from, mut to) = stream.split();
    let receiving = async {
        let mut answer = Vec::new();
        while end_of_head(&answer).is_none() {
            ensure!(answer.len() < 8 << 10, "the answer's head is too long");
            answer.push(from.read_u8().await?);
        }
        ensure!(answer.starts_with(b"HTTP/1.1 200"), "answered {}", String::from_utf8_lossy(&answer));
        ensure!(content_length(&answer) == Some(LARGE), "the answer is of another length");
        receive(&mut from, &pattern, LARGE).await
    };
    tokio::try_join!(send(&mut to, &pattern, LARGE), receiving).map(drop)
}
