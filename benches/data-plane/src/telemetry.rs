//! What telemetry costs: the same two sidecars under the same load, with more and more of it turned on.

mod collector;
mod probe;
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
    /// Runs of each mode; each is held against the runs without telemetry just before and after it
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of saturation in each run
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

/// One run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Figures {
    /// µs per request, of both sidecars.
    cpu: f64,
    /// The larger of the two sidecars, after the run.
    rss_mib: f64,
}

/// A mode's figures: medians of all runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    mode: Mode,
    cpu_us_per_request: f64,
    /// To the runs without telemetry round it.
    ratio: f64,
    rss_mib: f64,
    runs: usize,
}

pub(crate) fn run(args: &TelemetryArgs) -> anyhow::Result<()> {
    namespace::become_root()?;
    raise_open_files()?;
    let isthmus = args.isthmus.canonicalize().with_context(|| format!("no sidecar at {}", args.isthmus.display()))?;
    let programs = Programs { isthmus, found: Vec::new() };
    let (rounds, seconds) = if args.quick { (1, 1) } else { (args.rounds, args.seconds) };
    let time = Duration::from_secs(seconds);
    let measured = |mode: Mode| -> anyhow::Result<Figures> {
        let figures = probe::measure(&programs, mode, time)?;
        println!("{}", report::line(mode, &figures));
        Ok(figures)
    };
    let mut runs: BTreeMap<Mode, Vec<(Figures, f64)>> = BTreeMap::new();
    let mut before = measured(Mode::Off)?;
    for _ in 0..rounds {
        for mode in Mode::ALL.into_iter().filter(|mode| *mode != Mode::Off) {
            let figures = measured(mode)?;
            let after = measured(Mode::Off)?;
            runs.entry(mode).or_default().push((figures, figures.cpu / f64::midpoint(before.cpu, after.cpu)));
            runs.entry(Mode::Off).or_default().push((before, 1.0));
            before = after;
        }
    }
    let rows: Vec<Row> = runs.into_iter().map(|(mode, runs)| Row::of(mode, &runs)).collect();
    print!("{}", report::text(&rows));
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_vec_pretty(&rows)?)?;
    }
    if let Some(page) = &args.docs {
        report::write(page, &rows)?;
    }
    Ok(())
}

impl Row {
    fn of(mode: Mode, runs: &[(Figures, f64)]) -> Self {
        Self {
            mode,
            cpu_us_per_request: median(runs.iter().map(|(figures, _)| figures.cpu)),
            ratio: median(runs.iter().map(|(_, ratio)| *ratio)),
            rss_mib: median(runs.iter().map(|(figures, _)| figures.rss_mib)),
            runs: runs.len(),
        }
    }
}

#[cfg(test)]
mod tests;
