//! The gateway's benchmark: what it costs to relay connections that can't be read, against other relays by server name.
//!
//! A gateway reads the ClientHello and nothing else, and so do its peers here; so the load sends a real ClientHello, and behind it bytes
//! that no relay looks at. What TLS costs the ends is none of the relays' doing and isn't in the figures.

mod load;
mod peers;
mod report;
mod server;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::{
    control::Control,
    load::{closed_loop, connect, open_loop},
    measure,
    namespace::{self, CALLEE, Namespace},
    peer::Peer,
    process::{self, Process},
    run::raise_open_files,
    stats::median,
};
use load::{Relayed, Short};

/// Where the application is, in the callee's namespace.
const APP_PORT: u16 = 9443;
/// Where every relay listens.
const RELAY_PORT: u16 = 15443;
/// The Service's port, as server names have it.
const SERVICE_PORT: u16 = 90;
/// Connections that are opened at a time.
const OPENING: usize = 16;
/// Connections of messages.
const MESSAGES: usize = 64;
/// Messages a second.
const RATE: u32 = 2000;
/// Connections of transfers.
const TRANSFERS: usize = 4;
const GIB: f64 = (1 << 30) as f64;

#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// The build of the gateway
    #[arg(long)]
    isthmus: PathBuf,
    /// Only these [default: none, isthmus, and those found of haproxy, nginx, envoy]
    #[arg(long, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// Runs of each peer; medians are reported
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each phase of a run
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// One round of one second
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
    /// Write the results as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the table between the markers of this page
    #[arg(long)]
    docs: Option<PathBuf>,
}

/// What a relay has shown: medians of all runs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Of the relay, for a connection with one byte each way.
    cpu_us_per_connection: f64,
    connections_per_s: f64,
    /// Of the relay, half of the bytes each way.
    cpu_s_per_gib: f64,
    gib_per_s: f64,
    /// A message there and back, at a fixed rate.
    p50_us: f64,
    p99_us: f64,
    /// With the connections of the messages open.
    rss_mib: f64,
}

/// A relay's figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    peer: Peer,
    #[serde(flatten)]
    figures: Figures,
    runs: usize,
}

pub(crate) fn run(args: &GatewayArgs) -> anyhow::Result<()> {
    namespace::become_root()?;
    raise_open_files()?;
    let isthmus = args.isthmus.canonicalize().with_context(|| format!("no gateway at {}", args.isthmus.display()))?;
    let (rounds, seconds) = if args.quick { (1, 1) } else { (args.rounds, args.seconds) };
    let peers = peers::present(&isthmus, if args.peers.is_empty() { &Peer::ALL } else { &args.peers });
    let mut runs: BTreeMap<Peer, Vec<Figures>> = BTreeMap::new();
    for round in 1..=rounds {
        for (peer, program) in &peers {
            let figures = measure(*peer, program, Duration::from_secs(seconds))
                .with_context(|| format!("through {}", peer.name()))?;
            println!("gateway {round}/{rounds} {}: {}", peer.name(), report::line(&figures));
            runs.entry(*peer).or_default().push(figures);
        }
    }
    let rows: Vec<Row> = runs.into_iter().map(|(peer, runs)| Row::of(peer, &runs)).collect();
    print!("{}", report::text(&rows));
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_string_pretty(&rows)? + "\n")
            .with_context(|| format!("can't write {}", file.display()))?;
    }
    if let Some(page) = &args.docs {
        report::write(page, &rows)?;
    }
    Ok(())
}

impl Row {
    fn of(peer: Peer, runs: &[Figures]) -> Self {
        // Three digits behind the point are more than any of these can be trusted for.
        let of = |figure: fn(&Figures) -> f64| (median(runs.iter().map(figure)) * 1e3).round() / 1e3;
        let figures = Figures {
            cpu_us_per_connection: of(|f| f.cpu_us_per_connection),
            connections_per_s: of(|f| f.connections_per_s),
            cpu_s_per_gib: of(|f| f.cpu_s_per_gib),
            gib_per_s: of(|f| f.gib_per_s),
            p50_us: of(|f| f.p50_us),
            p99_us: of(|f| f.p99_us),
            rss_mib: of(|f| f.rss_mib),
        };
        Self { peer, figures, runs: runs.len() }
    }
}

/// Two namespaces, and in the callee's an application with a relay before it. Dropped in this order.
struct Layout {
    relay: Option<Process>,
    _control: Option<Control>,
    server: server::Server,
    caller: Namespace,
    _callee: Namespace,
    _dir: TempDir,
}

impl Layout {
    fn start(peer: Peer, program: &Path) -> anyhow::Result<Self> {
        let dir = TempDir::with_prefix("isthmus-bench-")?;
        let (caller, callee) = namespace::pair()?;
        // Each connection takes a port at either end, and gives it back only after a minute.
        for namespace in [&caller, &callee] {
            let widen = || std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535");
            namespace.run(widen)?.context("net.ipv4.ip_local_port_range")?;
        }
        let server = server::Server::start(&callee)?;
        let (relay, control) = peers::start(peer, program, (&caller, &callee), dir.path())?;
        Ok(Self { relay, _control: control, server, caller, _callee: callee, _dir: dir })
    }
}

fn measure(peer: Peer, program: &Path, time: Duration) -> anyhow::Result<Figures> {
    let mut layout = Layout::start(peer, program)?;
    let probe = Probe {
        target: (CALLEE, if layout.relay.is_some() { RELAY_PORT } else { APP_PORT }).into(),
        relay: layout.relay.as_ref().map(Process::pid),
        time,
    };
    let figures = layout.caller.spawn("load", move || probe.run())?.join();
    let said = layout.relay.as_ref().map(Process::said).unwrap_or_default();
    if let Some(relay) = &mut layout.relay {
        relay.check()?;
    }
    layout.server.check()?;
    figures.with_context(|| said)
}

/// The load's side of a run.
struct Probe {
    target: SocketAddr,
    relay: Option<u32>,
    time: Duration,
}

impl Probe {
    async fn run(self) -> anyhow::Result<Figures> {
        measure::answers::<Relayed>(self.target).await?;
        let mut figures = Figures::default();

        let mut opening = connect::<Short>(self.target, OPENING, 1).await?;
        closed_loop(&mut opening, self.time / 4).await.context("warm-up")?;
        let before = self.cpu()?;
        let (opened, took) = closed_loop(&mut opening, self.time).await.context("connections")?;
        figures.cpu_us_per_connection = self.spent(before)?.as_secs_f64() * 1e6 / opened as f64;
        figures.connections_per_s = opened as f64 / took.as_secs_f64();

        let mut clients = connect::<Relayed>(self.target, MESSAGES, 1).await?;
        let latencies = open_loop(&mut clients, RATE, self.time).await.context("messages")?;
        [figures.p50_us, figures.p99_us] = latencies.quantiles_us([0.5, 0.99]);
        figures.rss_mib = self.relay.map(process::usage).transpose()?.unwrap_or_default().rss_mib;
        drop(clients);

        load::transfers(self.target, TRANSFERS, self.time / 4).await.context("warm-up of transfers")?;
        let before = self.cpu()?;
        let (bytes, took) = load::transfers(self.target, TRANSFERS, self.time).await.context("transfers")?;
        figures.cpu_s_per_gib = self.spent(before)?.as_secs_f64() / (bytes as f64 / GIB);
        figures.gib_per_s = bytes as f64 / GIB / took.as_secs_f64();
        Ok(figures)
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(self.relay.map(process::usage).transpose()?.unwrap_or_default().cpu)
    }

    /// The time that the relay has used since. One that has used none is not in the path, and the run means nothing.
    fn spent(&self, before: Duration) -> anyhow::Result<Duration> {
        let spent = self.cpu()?.saturating_sub(before);
        ensure!(self.relay.is_none() || !spent.is_zero(), "the relay was not in the path");
        Ok(spent)
    }
}

#[cfg(test)]
mod tests;
