//! Steady load: exchanges at a fixed rate, each answer checked, every failure counted and the first ones kept.
//!
//! What it saw is a JSON line at its end, and all the time a file, so that somebody outside can watch a pod that will be gone.

mod http;
mod line;
mod report;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use anyhow::Context;
use clap::{Args, ValueEnum};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use self::report::{Report, Served};

/// Connections that share a load's rate.
const CONNECTIONS: u32 = 4;
/// How long an exchange may take: as long as clients usually wait, for a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the report is written.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// The highest rate of one load, in exchanges per second.
const MAX_RATE: u32 = 10_000;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadArgs {
    /// A load, MODE:RATE:TARGET, such as h1:80:http://callee or tcp:20:store:6380; may be given again
    #[arg(long = "load", env = "LOAD", value_name = "LOAD", value_delimiter = ',')]
    loads: Vec<Spec>,
    /// Folder for the report, which is called by the host's name
    #[arg(long, env = "LOAD_REPORT", value_name = "DIR")]
    report: Option<PathBuf>,
    /// Seconds that the load goes on after a signal to end
    #[arg(long, env = "LOAD_LINGER", default_value_t = 0)]
    linger: u64,
}

/// What is spoken, and how connections are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// HTTP/1.1, connections kept
    H1,
    /// HTTP/1.1, a connection for each request
    H1New,
    /// HTTP/2 with prior knowledge, requests with a body, connections kept
    H2,
    /// Lines over TCP, connections kept
    Tcp,
    /// Lines over TCP, a connection for each
    TcpNew,
}

/// One load.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spec {
    mode: Mode,
    rate: u32,
    target: String,
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        let [mode, rate, target] = *parts.as_slice() else {
            return Err(format!("load {text:?}: must be MODE:RATE:TARGET, such as h1:80:http://callee"));
        };
        let mode = Mode::from_str(mode, false)
            .map_err(|_| format!("load {text:?}: mode {mode:?} is none of h1, h1-new, h2, tcp, tcp-new"))?;
        let rate = rate.parse().ok().filter(|rate| (1..=MAX_RATE).contains(rate));
        let rate = rate.ok_or_else(|| format!("load {text:?}: the rate must be a number from 1 to {MAX_RATE}"))?;
        Ok(Self { mode, rate, target: target.to_owned() })
    }
}

/// Loads until the shutdown, and for as long as it is to linger; what came of it.
pub(super) async fn run(args: &LoadArgs, host: &str, shutdown: &CancellationToken) -> anyhow::Result<()> {
    anyhow::ensure!(!args.loads.is_empty(), "--load is needed: MODE:RATE:TARGET, such as h1:80:http://callee");
    let report = Arc::new(Report::new(host, shutdown.clone()));
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    for (number, spec) in args.loads.iter().enumerate() {
        for index in 0..CONNECTIONS {
            let (spec, report, stop) = (spec.clone(), Arc::clone(&report), stop.clone());
            workers.spawn(async move { work(number, &spec, index, &report, &stop).await });
        }
    }
    let path = args.report.as_ref().map(|dir| dir.join(format!("{host}.json")));
    let watched = async {
        loop {
            if let Some(path) = &path {
                report.write(path, false).with_context(|| format!("report {}", path.display()))?;
            }
            tokio::time::sleep(WRITE_EVERY).await;
        }
    };
    let signalled = async {
        shutdown.cancelled().await;
        tokio::time::sleep(Duration::from_secs(args.linger)).await;
    };
    tokio::select! {
        failed = watched => return failed,
        () = signalled => {}
    }
    stop.cancel();
    while workers.join_next().await.is_some() {}
    if let Some(path) = &path {
        report.write(path, true).with_context(|| format!("report {}", path.display()))?;
    }
    println!("{}", report.json(true));
    Ok(())
}

/// One connection's share of the load. Exchanges that are late aren't made up for: the rate is a ceiling.
async fn work(number: usize, spec: &Spec, index: u32, report: &Report, stop: &CancellationToken) {
    let period = Duration::from_secs(1) * CONNECTIONS / spec.rate;
    let mut ticks = tokio::time::interval_at(Instant::now() + period * index / CONNECTIONS, period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut client = Client::new(spec);
    let mut count: u64 = 0;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        count += 1;
        let id = format!("{}-{number}-{index}-{count}", report.host());
        let begun = report.begin(&spec.name());
        let outcome = tokio::time::timeout(PATIENCE, client.exchange(&id)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in {PATIENCE:?}")));
        if outcome.is_err() {
            // What it left behind says nothing of the next exchange.
            client = Client::new(spec);
        }
        report.end(&spec.name(), begun, &id, outcome);
    }
}

impl Spec {
    /// What its counts go by.
    fn name(&self) -> String {
        self.mode.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// A load's connection.
enum Client {
    Http(http::Client),
    Line(line::Client),
}

impl Client {
    fn new(spec: &Spec) -> Self {
        let target = spec.target.clone();
        match spec.mode {
            Mode::H1 | Mode::H1New => Self::Http(http::Client::new(target, false, spec.mode == Mode::H1)),
            Mode::H2 => Self::Http(http::Client::new(target, true, true)),
            Mode::Tcp | Mode::TcpNew => Self::Line(line::Client::new(target, spec.mode == Mode::Tcp)),
        }
    }

    async fn exchange(&mut self, id: &str) -> anyhow::Result<Served> {
        match self {
            Self::Http(client) => client.exchange(id).await,
            Self::Line(client) => client.exchange(id).await,
        }
    }
}
