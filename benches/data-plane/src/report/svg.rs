//! Bar charts, readable on light and on dark pages.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context;

use super::{Row, cases, unit};
use crate::peer::Peer;

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 110.0;
const LONGEST: f64 = 560.0;
const BAR: f64 = 20.0;
const GAP: f64 = 5.0;
/// Above the bars of a group: its title.
const TITLE: f64 = 34.0;

/// A group of bars of one unit.
struct Group {
    title: String,
    bars: Vec<Bar>,
}

struct Bar {
    peer: Peer,
    value: f64,
    /// A further value behind the first, on the same scale.
    behind: Option<f64>,
    label: String,
}

/// Writes `bench-cpu.svg`, `bench-latency.svg` and `bench-memory.svg`.
pub(crate) fn write(dir: &Path, rows: &[Row]) -> anyhow::Result<()> {
    fs::create_dir_all(dir)?;
    let charts = [
        ("bench-cpu.svg", "CPU of all proxies in the path: less is better", groups(rows, false, "CPU, ", cpu)),
        (
            "bench-latency.svg",
            "Latency at 2,000 requests per second: p50, and p99 behind it",
            groups(rows, true, "", latency),
        ),
        (
            "bench-memory.svg",
            "Memory of a proxy: idle, and with 1,000 connections behind it",
            groups(rows, false, "", memory),
        ),
    ];
    for (name, title, groups) in charts {
        let file = dir.join(name);
        fs::write(&file, chart(title, &groups)).with_context(|| format!("can't write {}", file.display()))?;
    }
    Ok(())
}

fn cpu(row: &Row) -> Bar {
    Bar { peer: row.peer, value: row.cpu(), behind: None, label: format!("{:.2} {}", row.cpu(), unit(row.case)) }
}

fn latency(row: &Row) -> Bar {
    let label = format!("{:.0} / {:.0} µs", row.p50_us, row.p99_us);
    Bar { peer: row.peer, value: row.p50_us, behind: Some(row.p99_us), label }
}

fn memory(row: &Row) -> Bar {
    let label = format!("{:.0} / {:.0} MiB", row.rss_idle_mib, row.rss_1000_mib);
    Bar { peer: row.peer, value: row.rss_idle_mib, behind: Some(row.rss_1000_mib), label }
}

/// One group for each case.
fn groups(rows: &[Row], with_none: bool, prefix: &str, bar: fn(&Row) -> Bar) -> Vec<Group> {
    let of = |case| rows.iter().filter(move |row| row.case == case && (with_none || row.peer != Peer::None));
    let group =
        |case| Group { title: format!("{prefix}{}", crate::case::Case::name(case)), bars: of(case).map(bar).collect() };
    cases(rows).into_iter().map(group).collect()
}

fn chart(title: &str, groups: &[Group]) -> String {
    let height = groups.iter().map(|g| TITLE + g.bars.len() as f64 * (BAR + GAP)).sum::<f64>() + 50.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"13\">
<title>{title}</title>
<style>
text {{ fill: #1e293b }} .head {{ font-weight: 600 }} .bar {{ fill: #94a3b8 }} .own {{ fill: #0d9488 }} .behind {{ opacity: .4 }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #e2e8f0 }} .bar {{ fill: #64748b }} .own {{ fill: #2dd4bf }} }}
</style>
<text x=\"10\" y=\"22\" class=\"head\" font-size=\"15\">{title}</text>
"
    );
    let mut y = 30.0;
    for group in groups {
        let _ = writeln!(out, "<text x=\"10\" y=\"{}\" class=\"head\">{}</text>", y + 22.0, group.title);
        y += TITLE;
        let most = group
            .bars
            .iter()
            .map(|bar| bar.value.max(bar.behind.unwrap_or_default()))
            .fold(f64::MIN_POSITIVE, f64::max);
        for bar in &group.bars {
            draw(&mut out, bar, y, LONGEST * 0.82 / most);
            y += BAR + GAP;
        }
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, bar: &Bar, y: f64, scale: f64) {
    let class = if bar.peer == Peer::Isthmus { "own" } else { "bar" };
    let middle = y + BAR * 0.72;
    let _ =
        writeln!(out, "<text x=\"{}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, bar.peer.name());
    let mut longest = bar.value * scale;
    if let Some(behind) = bar.behind {
        let width = behind * scale;
        longest = longest.max(width);
        let _ = writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" class=\"{class} behind\"/>"
        );
    }
    let width = bar.value * scale;
    let _ = writeln!(out, "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" class=\"{class}\"/>");
    let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{middle:.1}\">{}</text>", LEFT + longest + 8.0, bar.label);
}
