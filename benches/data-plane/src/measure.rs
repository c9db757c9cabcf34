//! One run: one case, one peer, from an empty machine to its figures.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    case::{Case, Protocol},
    isthmus,
    layout::{Layout, Programs},
    load::{self, Client, Grpc, Http1, Http2, TcpEcho},
    peer::Peer,
    process::{self, Usage},
    stats::Latencies,
};

/// Requests under way at saturation.
const IN_FLIGHT: usize = 64;
/// HTTP/2 connections that they are spread over.
const H2_CONNECTIONS: usize = 8;
/// Connections of transfers.
const TRANSFERS: usize = 4;
/// The open loop's rate.
pub(crate) const RATE: u32 = 2000;
/// The rate at which memory under many connections is looked at: each is used more than once a second.
const MANY_RATE: u32 = 2000;
/// How long a proxy has to become ready.
const READY: Duration = Duration::from_secs(30);
/// How often it is asked.
const ASK: Duration = Duration::from_millis(50);
/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(100);
const MIB: f64 = (1 << 20) as f64;

/// How long each phase of a run takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) warm_up: Duration,
    pub(crate) saturation: Duration,
    pub(crate) open_loop: Duration,
    pub(crate) connections: Duration,
}

/// What one run has shown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figures {
    /// µs per request, or seconds per GiB of TCP, of all proxies in the path.
    pub(crate) cpu: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) rps: f64,
    /// The larger of the two proxies.
    pub(crate) rss_idle_mib: f64,
    /// Under load on 100 connections.
    pub(crate) rss_loaded_mib: f64,
    /// With 1,000 connections in use.
    pub(crate) rss_1000_mib: f64,
}

/// Makes one run. Any failed request fails it.
pub(crate) fn measure(programs: &Programs, case: Case, peer: Peer, times: Times) -> anyhow::Result<Figures> {
    let mut layout = Layout::start(programs, case, peer, &isthmus::quiet())?;
    let probe = Probe {
        target: layout.target,
        admins: layout.admins.clone(),
        pids: layout.proxies.iter().map(process::Process::pid).collect(),
        times,
    };
    let load = layout.caller.spawn("load", move || async move {
        match case.protocol() {
            Protocol::Http1 => probe.run::<Http1>(IN_FLIGHT, 1, false).await,
            Protocol::Http2 => probe.run::<Http2>(H2_CONNECTIONS, IN_FLIGHT / H2_CONNECTIONS, false).await,
            Protocol::Grpc => probe.run::<Grpc>(H2_CONNECTIONS, IN_FLIGHT / H2_CONNECTIONS, false).await,
            Protocol::Tcp => probe.run::<TcpEcho>(IN_FLIGHT, 1, true).await,
        }
    })?;
    let figures = load.join().with_context(|| format!("{} through {}\n{}", case.name(), peer.name(), layout.said()));
    layout.check()?;
    figures
}

/// The load's side of a run.
struct Probe {
    target: SocketAddr,
    admins: Vec<SocketAddr>,
    pids: Vec<u32>,
    times: Times,
}

impl Probe {
    async fn run<C: Client>(self, connections: usize, streams: usize, bulk: bool) -> anyhow::Result<Figures> {
        for admin in &self.admins {
            ready(*admin).await?;
        }
        answers::<C>(self.target).await?;
        let mut figures = Figures { rss_idle_mib: self.rss()?, ..Figures::default() };
        let mut clients = load::connect::<C>(self.target, connections, streams).await?;
        load::closed_loop(&mut clients, self.times.warm_up).await.context("warm-up")?;

        let before = self.usage()?;
        let (answered, took) = load::closed_loop(&mut clients, self.times.saturation).await.context("saturation")?;
        let spent = self.spent(&before)?;
        figures.rps = answered as f64 / took.as_secs_f64();
        figures.cpu = spent.as_secs_f64() * 1e6 / answered as f64;

        let latencies = load::open_loop(&mut clients, RATE, self.times.open_loop).await.context("open loop")?;
        [figures.p50_us, figures.p99_us, figures.p999_us] = quantiles(latencies);
        drop(clients);

        if bulk {
            load::transfers(self.target, TRANSFERS, self.times.warm_up).await.context("warm-up of transfers")?;
            let before = self.usage()?;
            let bytes = load::transfers(self.target, TRANSFERS, self.times.saturation).await.context("transfers")?;
            figures.cpu = self.spent(&before)?.as_secs_f64() / (bytes as f64 / MIB / 1024.0);
        }
        figures.rss_loaded_mib = self.loaded::<C>(100, None).await.context("100 connections")?;
        figures.rss_1000_mib = self.loaded::<C>(1000, Some(MANY_RATE)).await.context("1,000 connections")?;
        Ok(figures)
    }

    /// The most memory of a proxy while so many connections are in use: at saturation, or at a rate.
    async fn loaded<C: Client>(&self, connections: usize, rate: Option<u32>) -> anyhow::Result<f64> {
        let mut clients = load::connect::<C>(self.target, connections, 1).await?;
        let done = Arc::new(Notify::new());
        let load = async {
            match rate {
                None => drop(load::closed_loop(&mut clients, self.times.connections).await?),
                Some(rate) => drop(load::open_loop(&mut clients, rate, self.times.connections).await?),
            }
            done.notify_one();
            anyhow::Ok(())
        };
        let watch = async {
            let mut most = self.rss()?;
            while timeout(SAMPLE, done.notified()).await.is_err() {
                most = most.max(self.rss()?);
            }
            Ok(most.max(self.rss()?))
        };
        tokio::try_join!(load, watch).map(|((), most)| most)
    }

    fn usage(&self) -> anyhow::Result<Vec<Usage>> {
        self.pids.iter().map(|pid| process::usage(*pid)).collect()
    }

    /// The time that all proxies have used since. One that has used none is not in the path, and the run means nothing.
    fn spent(&self, before: &[Usage]) -> anyhow::Result<Duration> {
        let spent: Vec<Duration> =
            self.usage()?.iter().zip(before).map(|(now, before)| now.cpu.saturating_sub(before.cpu)).collect();
        ensure!(!spent.contains(&Duration::ZERO), "a proxy was not in the path: {spent:?}");
        Ok(spent.into_iter().sum())
    }

    fn rss(&self) -> anyhow::Result<f64> {
        Ok(self.usage()?.iter().map(|usage| usage.rss_mib).fold(0.0, f64::max))
    }
}

fn quantiles(latencies: Latencies) -> [f64; 3] {
    latencies.quantiles_us([0.5, 0.99, 0.999])
}

/// Waits until an admin server says that its sidecar is ready.
pub(crate) async fn ready(admin: SocketAddr) -> anyhow::Result<()> {
    eventually("the sidecar isn't ready", async || get(admin, "/ready").await.map(drop)).await
}

/// The answer of an admin server, head and body.
pub(crate) async fn get(admin: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{}", answer.lines().next().unwrap_or_default());
    Ok(answer)
}

/// Waits for the first right answer.
pub(crate) async fn answers<C: Client>(from: SocketAddr) -> anyhow::Result<()> {
    let attempt = async || {
        let mut clients = C::connect(from, 1).await?;
        clients.first_mut().context("no client")?.exchange(&load::id(0)).await
    };
    eventually("no answer from behind the proxies", attempt).await
}

async fn eventually(what: &'static str, attempt: impl AsyncFn() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let result = timeout(READY, attempt()).await.context("no answer").and_then(|result| result);
        match result {
            Ok(()) => return Ok(()),
            Err(error) if start.elapsed() > READY => return Err(error).context(what),
            Err(_) => sleep(ASK).await,
        }
    }
}
