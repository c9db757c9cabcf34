//! The tables of docs/benchmarks.md, between two markers.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context;

use super::{Row, cases, ratios, targets, unit};

const BEGIN: &str = "<!-- results: begin (written by cargo xtask bench --docs) -->";
const END: &str = "<!-- results: end -->";

/// Writes the tables of the data plane.
pub(crate) fn write(page: &Path, rows: &[Row]) -> anyhow::Result<()> {
    replace_in(page, &tables(rows))
}

/// Puts tables between the markers of a page.
pub(crate) fn replace_in(page: &Path, tables: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("can't read {}", page.display()))?;
    let text = replace(&text, tables)
        .with_context(|| format!("{} lacks a marker: {BEGIN} and, behind it, {END}", page.display()))?;
    fs::write(page, text).with_context(|| format!("can't write {}", page.display()))
}

pub(super) fn replace(text: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{tables}{END}{after}"))
}

pub(super) fn tables(rows: &[Row]) -> String {
    let mut out = String::new();
    for case in cases(rows) {
        let _ = writeln!(
            out,
            "\n### {}\n| | CPU {} | p50 µs | p99 µs | p99.9 µs | per second | RSS idle | 100 connections | 1,000 connections |\n\
             |---|---|---|---|---|---|---|---|---|",
            case.name(),
            unit(case)
        );
        for row in rows.iter().filter(|row| row.case == case) {
            let _ = writeln!(
                out,
                "| {} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} |",
                row.peer.name(),
                row.cpu(),
                row.p50_us,
                row.p99_us,
                row.p999_us,
                row.rps,
                row.rss_idle_mib,
                row.rss_loaded_mib,
                row.rss_1000_mib
            );
        }
    }
    out.push_str("\n### isthmus divided by its peers\n| | | CPU | p50 | p99 | p99.9 | throughput |\n|---|---|---|---|---|---|---|\n");
    for r in ratios(rows) {
        let _ = writeln!(
            out,
            "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            r.case.name(),
            r.peer.name(),
            r.cpu,
            r.p50,
            r.p99,
            r.p999,
            r.rps
        );
    }
    out.push_str("\n### Targets\n| | | at most | measured | |\n|---|---|---|---|---|\n");
    for t in targets::check(rows) {
        let verdict = if t.holds() { "holds" } else { "**missed**" };
        let _ = writeln!(out, "| {} | {} | {} | {:.2} | {verdict} |", t.case.name(), t.what, t.limit, t.measured);
    }
    out.push('\n');
    out
}
