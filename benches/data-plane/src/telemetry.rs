//! What telemetry costs: the same two sidecars under the same load, with more and more of it turned on.
//!
//! Machines drift by more than telemetry costs, within less than a second. So each mode is loaded at the same time as sidecars
//! without telemetry, on the same CPU, and held against them. That is done to a second pair without telemetry too: how far
//! it is from 1 tells how exact the rest is. All sidecars are started anew a few times, for where a process comes to lie in
//! memory shows as well.

mod collector;
mod cpus;
mod pair;
mod report;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{
    layout::Programs,
    namespace::{self, CALLER},
    run::raise_open_files,
    stats::median,
};
pub(crate) use collector::COLLECTOR_PORT;
use cpus::Cpus;
use pair::Pair;

/// What is turned on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// No metrics of edges, no logs, no traces.
    Off,
    /// Metrics, scraped and reported to the controller: what a sidecar does unless it is told otherwise.
    Metrics,
    /// And a line for every request.
    MetricsLogs,
    /// Metrics, and a span at each hop of one request in a hundred.
    MetricsTraces,
    /// All of it.
    All,
}

impl Mode {
    const ALL: [Self; 5] = [Self::Off, Self::Metrics, Self::MetricsLogs, Self::MetricsTraces, Self::All];

    const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Metrics => "metrics",
            Self::MetricsLogs => "metrics and logs",
            Self::MetricsTraces => "metrics and 1 % traces",
            Self::All => "all three",
        }
    }

    const fn logs(self) -> bool {
        matches!(self, Self::MetricsLogs | Self::All)
    }

    const fn traces(self) -> bool {
        matches!(self, Self::MetricsTraces | Self::All)
    }

    /// The sidecars' flags.
    fn flags(self) -> Vec<String> {
        let mut flags = Vec::new();
        if self == Self::Off {
            flags.push("--no-metrics".to_owned());
        }
        if !self.logs() {
            flags.push("--no-access-log".to_owned());
        }
        if self.traces() {
            flags.push(format!("--trace-endpoint=http://{CALLER}:{COLLECTOR_PORT}"));
            flags.push("--trace-sampling=0.01".to_owned());
        }
        flags
    }
}

#[derive(Debug, Args)]
pub(crate) struct TelemetryArgs {
    /// The build of the sidecar
    #[arg(long)]
    isthmus: PathBuf,
    /// How often the sidecars of all modes are started anew
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    starts: u32,
    /// Slices of load for each mode, of each start
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds of saturation in each slice
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// One start, one round of one second
    #[arg(long, conflicts_with_all = ["starts", "rounds", "seconds"])]
    quick: bool,
    /// Write the results as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the table between the markers of this page
    #[arg(long)]
    docs: Option<PathBuf>,
}

/// One slice.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Figures {
    /// µs per request, of both sidecars.
    cpu: f64,
    /// The larger of the two sidecars, after the slice.
    rss_mib: f64,
}

/// Each mode's figures of one slice, with the ratio to those without telemetry at the same time.
type Round = Vec<(Mode, Figures, f64)>;

/// The figures of every slice of a mode, each with its ratio.
type Slices = BTreeMap<Mode, Vec<(Figures, f64)>>;

/// A mode's figures: medians of all slices.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    mode: Mode,
    cpu_us_per_request: f64,
    /// To the sidecars without telemetry that were loaded at the same time.
    ratio: f64,
    rss_mib: f64,
    slices: usize,
}

pub(crate) fn run(args: &TelemetryArgs) -> anyhow::Result<()> {
    namespace::become_root()?;
    raise_open_files()?;
    let isthmus = args.isthmus.canonicalize().with_context(|| format!("no sidecar at {}", args.isthmus.display()))?;
    let programs = Programs { isthmus, found: Vec::new() };
    let (starts, rounds, seconds) = if args.quick { (1, 1, 1) } else { (args.starts, args.rounds, args.seconds) };
    let time = Duration::from_secs(seconds);
    let cpus = Cpus::of_this_process()?;
    if cpus.is_none() {
        println!("there is only one CPU: sidecars, load and application share it");
    }
    let mut slices = Slices::new();
    for start in 1..=starts {
        println!("start {start} of {starts}");
        let mut off = Pair::start(&programs, Mode::Off)?;
        let pairs = Mode::ALL.into_iter().map(|mode| Ok((mode, Pair::start(&programs, mode)?)));
        let mut pairs = pairs.collect::<anyhow::Result<BTreeMap<_, _>>>()?;
        if let Some(cpus) = &cpus {
            cpus.pin(pairs.values().chain([&off]).flat_map(Pair::pids))?;
        }
        measure(&mut off, &mut pairs, time).context("warm-up")?;
        for _ in 0..rounds {
            let round = measure(&mut off, &mut pairs, time)?;
            println!("{}", report::line(&round));
            for (mode, figures, ratio) in round {
                slices.entry(mode).or_default().push((figures, ratio));
            }
        }
        pairs.into_values().chain([off]).try_for_each(Pair::stop)?;
    }
    let rows: Vec<Row> = slices.into_iter().map(|(mode, slices)| Row::of(mode, &slices)).collect();
    print!("{}", report::text(&rows));
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_vec_pretty(&rows)?)?;
    }
    if let Some(page) = &args.docs {
        report::write(page, &rows)?;
    }
    Ok(())
}

/// Loads each mode at the same time as the sidecars without telemetry.
fn measure(off: &mut Pair, pairs: &mut BTreeMap<Mode, Pair>, time: Duration) -> anyhow::Result<Round> {
    let mut round = Round::new();
    for (mode, pair) in pairs {
        let under_way = (off.begin(time)?, pair.begin(time)?);
        let (without, figures) = (off.end(under_way.0)?, pair.end(under_way.1)?);
        round.push((*mode, figures, figures.cpu / without.cpu));
    }
    Ok(round)
}

impl Row {
    fn of(mode: Mode, slices: &[(Figures, f64)]) -> Self {
        Self {
            mode,
            cpu_us_per_request: median(slices.iter().map(|(figures, _)| figures.cpu)),
            ratio: median(slices.iter().map(|(_, ratio)| *ratio)),
            rss_mib: median(slices.iter().map(|(figures, _)| figures.rss_mib)),
            slices: slices.len(),
        }
    }
}

#[cfg(test)]
mod tests;
