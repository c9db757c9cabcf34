//! The benchmark: runs interleaved (A B C … A B C …), medians, and the report.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Args;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{
    case::Case,
    layout::Programs,
    measure::{self, Figures, Times},
    namespace,
    peer::Peer,
    report::{self, Row},
};

/// Open files of every process of a run: 1,000 connections take 2,000 in a proxy.
const FILES: u64 = 16_384;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The release build of the sidecar
    #[arg(long)]
    isthmus: PathBuf,
    /// Only this case; may be given more than once
    #[arg(long = "case")]
    cases: Vec<Case>,
    /// Only these [default: none, isthmus, and those found of haproxy, nginx, envoy]
    #[arg(long, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// Runs of each case and peer
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of saturation, and of the open loop, in each run
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// One round of one second: shows that all works, measures little
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
    /// Take the results of an earlier run's JSON instead of measuring
    #[arg(long, conflicts_with_all = ["cases", "peers", "rounds", "seconds", "quick", "json"])]
    from: Option<PathBuf>,
    /// Write the results as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write charts into this directory
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Write the tables between the markers of this page
    #[arg(long)]
    docs: Option<PathBuf>,
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let rows = match &args.from {
        Some(file) => report::read(file)?,
        None => measure_all(args)?,
    };
    print!("{}", report::text(&rows));
    if let Some(file) = &args.json {
        report::write(file, &rows)?;
    }
    if let Some(dir) = &args.svg {
        report::svg::write(dir, &rows)?;
    }
    if let Some(page) = &args.docs {
        report::docs::write(page, &rows)?;
    }
    Ok(())
}

fn measure_all(args: &BenchArgs) -> anyhow::Result<Vec<Row>> {
    namespace::become_root()?;
    raise_open_files()?;
    let isthmus = args.isthmus.canonicalize().with_context(|| format!("no sidecar at {}", args.isthmus.display()))?;
    let wanted: &[Peer] = if args.peers.is_empty() { &Peer::ALL } else { &args.peers };
    let programs = Programs::find(isthmus, wanted);
    let cases: &[Case] = if args.cases.is_empty() { &Case::ALL } else { &args.cases };
    let rounds = if args.quick { 1 } else { args.rounds };
    let times = times(if args.quick { 1 } else { args.seconds });
    let mut runs: BTreeMap<(Case, Peer), Vec<Figures>> = BTreeMap::new();
    for case in cases {
        let peers: Vec<Peer> = wanted.iter().copied().filter(|peer| programs.serve(*peer, *case)).collect();
        for round in 1..=rounds {
            for peer in &peers {
                let figures = measure::measure(&programs, *case, *peer, times)?;
                println!("{} {round}/{rounds} {}: {}", case.name(), peer.name(), report::line(*case, &figures));
                runs.entry((*case, *peer)).or_default().push(figures);
            }
        }
    }
    Ok(runs.into_iter().map(|((case, peer), runs)| Row::of(case, peer, &runs)).collect())
}

fn times(seconds: u64) -> Times {
    Times {
        warm_up: Duration::from_millis(700),
        saturation: Duration::from_secs(seconds),
        open_loop: Duration::from_secs(seconds),
        connections: Duration::from_secs(2),
    }
}

/// As far as the hard limit allows; children inherit it.
pub(crate) fn raise_open_files() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, FILES.min(hard), hard)?)
}
