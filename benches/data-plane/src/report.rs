//! Results: as JSON, as a table with ratios and targets, as charts, and in the docs.

pub(crate) mod docs;
pub(crate) mod svg;
mod targets;

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{
    case::{Case, Protocol},
    measure::Figures,
    peer::Peer,
    stats::median,
};

/// The medians of all runs of one case with one peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) peer: Peer,
    /// All proxies in the path together; for all but TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_us_per_request: Option<f64>,
    /// The same for TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_s_per_gib: Option<f64>,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) rps: f64,
    pub(crate) rss_idle_mib: f64,
    pub(crate) rss_loaded_mib: f64,
    pub(crate) rss_1000_mib: f64,
    pub(crate) runs: usize,
}

impl Row {
    pub(crate) fn of(case: Case, peer: Peer, runs: &[Figures]) -> Self {
        // Three digits behind the point are more than any of these can be trusted for.
        let of = |figure: fn(&Figures) -> f64| (median(runs.iter().map(figure)) * 1e3).round() / 1e3;
        let cpu = of(|f| f.cpu);
        let tcp = case.protocol() == Protocol::Tcp;
        Self {
            case,
            peer,
            cpu_us_per_request: (!tcp).then_some(cpu),
            cpu_s_per_gib: tcp.then_some(cpu),
            p50_us: of(|f| f.p50_us),
            p99_us: of(|f| f.p99_us),
            p999_us: of(|f| f.p999_us),
            rps: of(|f| f.rps),
            rss_idle_mib: of(|f| f.rss_idle_mib),
            rss_loaded_mib: of(|f| f.rss_loaded_mib),
            rss_1000_mib: of(|f| f.rss_1000_mib),
            runs: runs.len(),
        }
    }

    pub(crate) fn cpu(&self) -> f64 {
        self.cpu_us_per_request.or(self.cpu_s_per_gib).unwrap_or_default()
    }
}

/// The cases that there are results of, in order.
fn cases(rows: &[Row]) -> Vec<Case> {
    Case::ALL.into_iter().filter(|case| rows.iter().any(|row| row.case == *case)).collect()
}

fn find(rows: &[Row], case: Case, peer: Peer) -> Option<&Row> {
    rows.iter().find(|row| (row.case, row.peer) == (case, peer))
}

/// The CPU's unit.
fn unit(case: Case) -> &'static str {
    if case.protocol() == Protocol::Tcp { "s/GiB" } else { "µs/request" }
}

pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<Row>> {
    let text = fs::read(file).with_context(|| format!("can't read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} doesn't hold results", file.display()))
}

pub(crate) fn write(file: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(rows)? + "\n";
    fs::write(file, text).with_context(|| format!("can't write {}", file.display()))
}

/// One run in one line.
pub(crate) fn line(case: Case, f: &Figures) -> String {
    format!(
        "CPU {:.2} {}, p50 {:.0} p99 {:.0} p99.9 {:.0} µs, {:.0}/s, RSS {:.1} → {:.1} → {:.1} MiB",
        f.cpu,
        unit(case),
        f.p50_us,
        f.p99_us,
        f.p999_us,
        f.rps,
        f.rss_idle_mib,
        f.rss_loaded_mib,
        f.rss_1000_mib
    )
}

/// Table, ratios and targets for a terminal.
pub(crate) fn text(rows: &[Row]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "\n{:<18} {:<8} {:>8} {:<10} {:>7} {:>7} {:>8} {:>8} {:>6} {:>6} {:>6} {:>4}",
        "case", "peer", "CPU", "", "p50 µs", "p99 µs", "p99.9 µs", "per s", "idle", "100", "1,000", "runs"
    );
    for row in rows {
        let _ = writeln!(
            out,
            "{:<18} {:<8} {:>8.2} {:<10} {:>7.0} {:>7.0} {:>8.0} {:>8.0} {:>6.1} {:>6.1} {:>6.1} {:>4}",
            row.case.name(),
            row.peer.name(),
            row.cpu(),
            unit(row.case),
            row.p50_us,
            row.p99_us,
            row.p999_us,
            row.rps,
            row.rss_idle_mib,
            row.rss_loaded_mib,
            row.rss_1000_mib,
            row.runs
        );
    }
    let _ = writeln!(out, "\nisthmus / peer");
    for ratio in ratios(rows) {
        let _ = writeln!(
            out,
            "{:<18} {:<8} CPU × {:<6.2} p50 × {:<6.2} p99 × {:<6.2} p99.9 × {:<6.2} throughput × {:.2}",
            ratio.case.name(),
            ratio.peer.name(),
            ratio.cpu,
            ratio.p50,
            ratio.p99,
            ratio.p999,
            ratio.rps
        );
    }
    let _ = writeln!(out, "\ntargets");
    for target in targets::check(rows) {
        let _ = writeln!(out, "{target}");
    }
    out
}

/// The sidecar's figures divided by a peer's.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ratio {
    case: Case,
    peer: Peer,
    cpu: f64,
    p50: f64,
    p99: f64,
    p999: f64,
    rps: f64,
}

fn ratios(rows: &[Row]) -> Vec<Ratio> {
    let others = rows.iter().filter(|row| row.peer.program().is_some());
    others
        .filter_map(|other| {
            let own = find(rows, other.case, Peer::Isthmus)?;
            Some(Ratio {
                case: other.case,
                peer: other.peer,
                cpu: own.cpu() / other.cpu(),
                p50: own.p50_us / other.p50_us,
                p99: own.p99_us / other.p99_us,
                p999: own.p999_us / other.p999_us,
                rps: own.rps / other.rps,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
