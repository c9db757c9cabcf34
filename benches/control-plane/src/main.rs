//! Benchmark of the control plane: how long a change takes from the API to the last proxy's acknowledgement, and what it
//! costs, with the real controller process, a thousand Services, and up to thousands of simulated proxies. The proxies
//! are sessions as the protocol asks for them: certified by token, over mTLS, each with subscriptions of its own.

mod change;
mod cluster;
mod controller;
mod fleet;
mod proxy;
mod report;
mod stats;

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, ensure};
use clap::Parser;

use crate::{
    change::Measured,
    cluster::{Cluster, POPULAR, QUIET},
    controller::Controller,
    fleet::Fleet,
    report::{Change, Row, Storm, Target},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Time from an API write to the last acknowledgement, and the controller's CPU and memory
#[derive(Debug, Parser)]
struct Args {
    /// Services of the mesh
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(20..=10_000))]
    services: u32,
    /// Numbers of connected proxies, measured one after another
    #[arg(long, value_delimiter = ',', default_value = "1,100,1000", value_parser = clap::value_parser!(u32).range(1..=5000))]
    proxies: Vec<u32>,
    /// Writes measured of each kind
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    writes: u32,
    /// The program to measure: `isthmus`, with the controller
    #[arg(long)]
    isthmus: PathBuf,
    /// Also write the figures to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Also write the tables into this page, between its markers
    #[arg(long)]
    docs: Option<PathBuf>,
}

/// What is measured, in this order.
const TARGETS: [(Target, u32); 3] = [
    (Target { change: Change::Split, service: "popular" }, POPULAR),
    (Target { change: Change::Split, service: "few" }, QUIET),
    (Target { change: Change::Endpoints, service: "popular" }, POPULAR),
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let most = args.proxies.iter().copied().max().unwrap_or_default();
    eprintln!("a cluster of {} Services and {most} pods…", args.services);
    let cluster = Cluster::start(args.services, most).await?;
    let controller = Controller::start(&args.isthmus, &cluster).await?;
    let mut rows = Vec::new();
    for count in &args.proxies {
        eprintln!("{count} proxies…");
        let measured = measure(&cluster, &controller, *count, args.writes).await?;
        eprint!("{}", report::tables(&measured));
        rows.extend(measured);
    }
    print!("{}", report::tables(&rows));
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&rows)?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(page) = &args.docs {
        report::write(page, &rows)?;
    }
    Ok(())
}

/// All kinds of changes, with so many proxies.
async fn measure(cluster: &Cluster, controller: &Controller, count: u32, writes: u32) -> anyhow::Result<Vec<Row>> {
    let mut fleet = Fleet::new(cluster, count).await?;
    let (cpu, start) = (controller.cpu()?, Instant::now());
    let repeated = fleet.connect(controller).await?;
    let storm = Storm {
        time: start.elapsed(),
        cpu: controller.cpu()? - cpu,
        repeated,
        rss_peak_mib: controller.rss_peak_mib()?,
    };
    let mut rows = Vec::new();
    for (target, service) in TARGETS {
        let subscribers = fleet.subscribers(service);
        ensure!(subscribers > 0, "nobody calls Service {service}");
        let before = controller.counters().await?;
        let cpu = controller.cpu()?;
        let measured = match target.change {
            Change::Split => Measured::splits(cluster, &mut fleet, service, writes).await?,
            Change::Endpoints => Measured::endpoints(cluster, &mut fleet, service, writes).await?,
        };
        let cpu = controller.cpu()? - cpu;
        let work = controller.counters().await?.since(before);
        rows.push(Row::new(&report::Run {
            services: cluster.services(),
            proxies: count,
            target,
            subscribers,
            writes,
            measured,
            cpu,
            work,
            rss_mib: controller.rss_mib()?,
            storm,
        }));
    }
    fleet.leave().await;
    Ok(rows)
}
