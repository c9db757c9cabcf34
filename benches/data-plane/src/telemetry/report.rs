//! The results, for a terminal and for the docs.

use std::{fmt::Write as _, path::Path};

use super::{Figures, Mode, Row};
use crate::report::docs::replace_in;

/// A round in one line.
pub(super) fn line(round: &[(Mode, Figures, f64)]) -> String {
    let parts = round.iter().map(|(mode, figures, ratio)| format!("{} {:.1} µs {ratio:.3}", mode.name(), figures.cpu));
    parts.collect::<Vec<_>>().join(" | ")
}

/// What a mode may cost at most, as part of what goes without telemetry.
const fn target(mode: Mode) -> Option<f64> {
    match mode {
        Mode::Metrics => Some(1.03),
        Mode::All => Some(1.10),
        Mode::Off | Mode::MetricsLogs | Mode::MetricsTraces => None,
    }
}

fn verdict(row: &Row) -> String {
    match target(row.mode) {
        None => String::new(),
        Some(most) if row.ratio <= most => format!("at most {most:.2}: holds"),
        Some(most) => format!("at most {most:.2}: MISSED"),
    }
}

/// For a terminal.
pub(super) fn text(rows: &[Row]) -> String {
    let mut out = format!("\n{:<22} {:>12} {:>8} {:>8} {:>6}\n", "", "µs/request", "of off", "RSS MiB", "slices");
    for row in rows {
        let Row { mode, cpu_us_per_request, ratio, rss_mib, slices } = row;
        let line = format!(
            "{:<22} {cpu_us_per_request:>12.1} {ratio:>8.3} {rss_mib:>8.1} {slices:>6}  {}",
            mode.name(),
            verdict(row)
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// Replaces what is between the markers of a page.
pub(super) fn write(page: &Path, rows: &[Row]) -> anyhow::Result<()> {
    replace_in(page, &table(rows))
}

pub(super) fn table(rows: &[Row]) -> String {
    let mut out = String::from("\n| | CPU µs/request | of off | RSS MiB | target |\n|---|---|---|---|---|\n");
    for row in rows {
        let Row { mode, cpu_us_per_request, ratio, rss_mib, .. } = row;
        let _ = writeln!(
            out,
            "| {} | {cpu_us_per_request:.1} | {ratio:.3} | {rss_mib:.1} | {} |",
            mode.name(),
            verdict(row)
        );
    }
    out.push('\n');
    out
}
