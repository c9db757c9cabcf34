//! What is printed, and written as JSON and into the docs.

use std::{fmt::Write, fs, path::Path, time::Duration};

use anyhow::Context;
use serde::Serialize;

use crate::{change::Measured, controller::Counters, stats::percentile_ms};

const BEGIN: &str = "<!-- results: begin (written by cargo xtask bench --case control-plane --docs) -->";
const END: &str = "<!-- results: end -->";

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    /// The weights of a TrafficSplit.
    Split,
    /// One address of an EndpointSlice.
    Endpoints,
}

/// What is changed, and how many want to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) change: Change,
    /// `popular` (all proxies subscribe) or `few`.
    pub(crate) service: &'static str,
}

/// Everything that was seen of one kind of change at one number of proxies.
pub(crate) struct Run {
    pub(crate) services: u32,
    pub(crate) proxies: u32,
    pub(crate) target: Target,
    pub(crate) subscribers: usize,
    pub(crate) writes: u32,
    pub(crate) measured: Measured,
    /// Of the controller, for all writes.
    pub(crate) cpu: Duration,
    pub(crate) work: Counters,
    pub(crate) rss_mib: f64,
    pub(crate) storm: Storm,
}

/// All proxies dial at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storm {
    /// From no proxy to all of them having all that they asked for.
    pub(crate) time: Duration,
    /// Of the controller.
    pub(crate) cpu: Duration,
    /// Attempts that were refused for the time being, and repeated.
    pub(crate) repeated: u32,
    /// The most memory that the controller has ever had when it was over.
    pub(crate) rss_peak_mib: f64,
}

/// One line of the result.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    case: &'static str,
    services: u32,
    proxies: u32,
    change: Change,
    target: &'static str,
    subscribers: usize,
    writes: u32,
    /// From the write's start to its answer.
    write_p50_ms: f64,
    /// From the write's answer to the last acknowledgement.
    p50_ms: f64,
    p99_ms: f64,
    /// From the write's answer to the status that says so.
    programmed_p50_ms: Option<f64>,
    programmed_p99_ms: Option<f64>,
    cpu_ms_per_change: f64,
    compiled_per_change: f64,
    encoded_per_change: f64,
    sent_per_change: f64,
    status_writes_per_change: f64,
    rss_mib: f64,
    connect_s: f64,
    connect_cpu_s: f64,
    connect_repeated: u32,
    connect_rss_peak_mib: f64,
}

impl Row {
    pub(crate) fn new(run: &Run) -> Self {
        // The warm-up costs as any change does.
        let changes = Measured::all_changes(run.writes);
        let round = |value: f64| (value * 100.0).round() / 100.0;
        let per = |total: f64| round(total / changes);
        let times = |samples: &[Duration], share| round(percentile_ms(samples, share));
        let programmed = |share| (!run.measured.programmed.is_empty()).then(|| times(&run.measured.programmed, share));
        Self {
            case: "control-plane",
            services: run.services,
            proxies: run.proxies,
            change: run.target.change,
            target: run.target.service,
            subscribers: run.subscribers,
            writes: run.writes,
            write_p50_ms: times(&run.measured.write, 0.5),
            p50_ms: times(&run.measured.acknowledged, 0.5),
            p99_ms: times(&run.measured.acknowledged, 0.99),
            programmed_p50_ms: programmed(0.5),
            programmed_p99_ms: programmed(0.99),
            cpu_ms_per_change: per(run.cpu.as_secs_f64() * 1000.0),
            compiled_per_change: per(run.work.compiled),
            encoded_per_change: per(run.work.encoded),
            sent_per_change: per(run.work.sent),
            status_writes_per_change: per(run.work.status_writes),
            rss_mib: round(run.rss_mib),
            connect_s: round(run.storm.time.as_secs_f64()),
            connect_cpu_s: round(run.storm.cpu.as_secs_f64()),
            connect_repeated: run.storm.repeated,
            connect_rss_peak_mib: round(run.storm.rss_peak_mib),
        }
    }
}

/// Tables for people, in Markdown: changes, and the storm before them.
pub(crate) fn tables(rows: &[Row]) -> String {
    let mut text = String::from(
        "\n| proxies | changed | subscribers | write p50 ms | acked p50 ms | acked p99 ms | programmed p50 ms \
         | programmed p99 ms | CPU ms/change | compiled | encoded | sent | status writes | RSS MiB |\n",
    );
    text.push_str("|---|---|");
    text.push_str(&"---:|".repeat(12));
    text.push('\n');
    let optional = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"));
    // Writing to a String can't fail.
    for r in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.1} | {:.1} | {:.1} | {} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} |",
            r.proxies,
            match r.change {
                Change::Split => "weights",
                Change::Endpoints => "an endpoint",
            },
            r.subscribers,
            r.write_p50_ms,
            r.p50_ms,
            r.p99_ms,
            optional(r.programmed_p50_ms),
            optional(r.programmed_p99_ms),
            r.cpu_ms_per_change,
            r.compiled_per_change,
            r.encoded_per_change,
            r.sent_per_change,
            r.status_writes_per_change,
            r.rss_mib,
        );
    }
    text.push_str(
        "\n| proxies that dial at once | all have everything after s | controller's CPU s | attempts repeated \
         | controller's peak RSS MiB |\n|---|---:|---:|---:|---:|\n",
    );
    let mut before = None;
    for r in rows.iter().filter(|r| before.replace(r.proxies) != Some(r.proxies)) {
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.1} | {} | {:.0} |",
            r.proxies, r.connect_s, r.connect_cpu_s, r.connect_repeated, r.connect_rss_peak_mib
        );
    }
    text.push('\n');
    text
}

/// Replaces what is between the markers of a page.
pub(crate) fn write(page: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("can't read {}", page.display()))?;
    let text = replace(&text, &tables(rows))
        .with_context(|| format!("{} lacks a marker: {BEGIN} and, behind it, {END}", page.display()))?;
    fs::write(page, text).with_context(|| format!("can't write {}", page.display()))
}

fn replace(text: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{tables}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(proxies: u32, change: Change, programmed: &[Duration]) -> Row {
        let ms = Duration::from_millis;
        let times = vec![ms(10), ms(20)];
        Row::new(&Run {
            services: 1000,
            proxies,
            target: Target { change, service: "popular" },
            subscribers: 7,
            writes: 95,
            measured: Measured { write: times.clone(), acknowledged: times, programmed: programmed.to_vec() },
            cpu: ms(1234),
            work: Counters { sent: 700.0, ..Counters::default() },
            rss_mib: 50.0,
            storm: Storm { time: ms(1500), cpu: ms(500), repeated: 3, rss_peak_mib: 60.0 },
        })
    }

    #[test]
    fn each_change_has_a_line_and_each_number_of_proxies_a_storm() {
        let all = [
            row(1, Change::Split, &[Duration::from_millis(30)]),
            row(1, Change::Endpoints, &[]),
            row(9, Change::Split, &[]),
        ];
        let text = tables(&all);
        assert!(
            text.contains("| 1 | weights | 7 | 10.0 | 10.0 | 20.0 | 30.0 | 30.0 | 12.3 | 0.0 | 0.0 | 7.0 | 0.0 | 50 |")
        );
        assert!(text.contains("| 1 | an endpoint | 7 | 10.0 | 10.0 | 20.0 | – | – |"), "{text}");
        assert_eq!(text.matches("| 1.5 | 0.5 | 3 | 60 |").count(), 2, "{text}");
    }

    #[test]
    fn the_tables_of_a_page_are_replaced_and_nothing_else() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        assert_eq!(replace(&page, "new\n").unwrap(), format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(replace("no markers", "new"), None);
    }
}
