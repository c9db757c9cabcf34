//! The gateway's results, for a terminal and for the docs.

use std::{fmt::Write as _, path::Path};

use super::{Figures, Row};
use crate::{peer::Peer, report::docs::replace_in};

/// One run in one line.
pub(super) fn line(f: &Figures) -> String {
    format!(
        "{:.1} µs/connection ({:.0}/s), {:.3} s/GiB ({:.2} GiB/s), p50 {:.0} p99 {:.0} µs, RSS {:.1} MiB",
        f.cpu_us_per_connection, f.connections_per_s, f.cpu_s_per_gib, f.gib_per_s, f.p50_us, f.p99_us, f.rss_mib
    )
}

/// What the gateway promises: no more CPU than the best of its peers, by connection and by GiB.
struct Target {
    what: &'static str,
    best: &'static str,
    ratio: f64,
}

fn targets(rows: &[Row]) -> Vec<Target> {
    let Some(own) = rows.iter().find(|row| row.peer == Peer::Isthmus) else { return Vec::new() };
    let target = |what, of: fn(&Figures) -> f64| {
        let others = rows.iter().filter(|row| row.peer.program().is_some());
        let best = others.min_by(|a, b| of(&a.figures).total_cmp(&of(&b.figures)))?;
        Some(Target { what, best: best.peer.name(), ratio: of(&own.figures) / of(&best.figures) })
    };
    let all = [target("CPU per connection", |f| f.cpu_us_per_connection), target("CPU per GiB", |f| f.cpu_s_per_gib)];
    all.into_iter().flatten().collect()
}

impl Target {
    fn verdict(&self) -> &'static str {
        if self.ratio <= 1.0 { "holds" } else { "MISSED" }
    }
}

/// What the relay adds to a direct connection.
fn added(rows: &[Row], row: &Row, of: fn(&Figures) -> f64) -> f64 {
    let direct = rows.iter().find(|row| row.peer == Peer::None).map_or(0.0, |direct| of(&direct.figures));
    of(&row.figures) - direct
}

/// Table and targets for a terminal.
pub(super) fn text(rows: &[Row]) -> String {
    let mut out = format!(
        "\n{:<8} {:>14} {:>10} {:>9} {:>8} {:>11} {:>11} {:>9} {:>5}\n",
        "relay", "µs/connection", "per s", "s/GiB", "GiB/s", "p50 added", "p99 added", "RSS MiB", "runs"
    );
    for row in rows {
        let f = &row.figures;
        let _ = writeln!(
            out,
            "{:<8} {:>14.1} {:>10.0} {:>9.3} {:>8.2} {:>11.0} {:>11.0} {:>9.1} {:>5}",
            row.peer.name(),
            f.cpu_us_per_connection,
            f.connections_per_s,
            f.cpu_s_per_gib,
            f.gib_per_s,
            added(rows, row, |f| f.p50_us),
            added(rows, row, |f| f.p99_us),
            f.rss_mib,
            row.runs
        );
    }
    out.push_str("\ntargets (at most 1.00 of the best peer)\n");
    for target in targets(rows) {
        let _ = writeln!(out, "{:<7} {} / {}: {:.2}", target.verdict(), target.what, target.best, target.ratio);
    }
    out
}

/// Replaces what is between the markers of a page.
pub(super) fn write(page: &Path, rows: &[Row]) -> anyhow::Result<()> {
    replace_in(page, &table(rows))
}

pub(super) fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "\n| | CPU µs/connection | connections/s | CPU s/GiB | GiB/s | p50 added µs | p99 added µs | RSS MiB |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let f = &row.figures;
        let _ = writeln!(
            out,
            "| {} | {:.1} | {:.0} | {:.3} | {:.2} | {:.0} | {:.0} | {:.1} |",
            row.peer.name(),
            f.cpu_us_per_connection,
            f.connections_per_s,
            f.cpu_s_per_gib,
            f.gib_per_s,
            added(rows, row, |f| f.p50_us),
            added(rows, row, |f| f.p99_us),
            f.rss_mib
        );
    }
    out.push_str("\n| target | best peer | at most | measured | |\n|---|---|---|---|---|\n");
    for target in targets(rows) {
        let Target { what, best, ratio } = target;
        let _ = writeln!(out, "| {what} | {best} | 1.00 | {ratio:.2} | {} |", target.verdict());
    }
    out.push('\n');
    out
}
