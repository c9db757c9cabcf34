//! What is printed, and written as JSON.

use std::{fmt::Write, time::Duration};

use serde::Serialize;

use crate::{change::Measured, controller::Counters, stats::percentile_ms};

/// Everything that was seen of one Service at one number of proxies.
pub(crate) struct Run {
    pub(crate) services: u32,
    pub(crate) proxies: u32,
    pub(crate) target: &'static str,
    pub(crate) subscribers: usize,
    pub(crate) writes: u32,
    pub(crate) measured: Measured,
    /// Of the controller, for all writes.
    pub(crate) cpu: Duration,
    pub(crate) work: Counters,
    pub(crate) rss_mib: f64,
    /// From no proxy to all of them having all that they asked for.
    pub(crate) connect: Duration,
    pub(crate) connect_cpu: Duration,
}

/// One line of the result.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    case: &'static str,
    services: u32,
    proxies: u32,
    /// `popular` (all proxies subscribe) or `few`.
    target: &'static str,
    subscribers: usize,
    writes: u32,
    /// From the write's start to its answer.
    write_p50_ms: f64,
    /// From the write's answer to the last acknowledgement.
    p50_ms: f64,
    p99_ms: f64,
    /// From the write's answer to the status that says so.
    programmed_p50_ms: f64,
    programmed_p99_ms: f64,
    cpu_ms_per_change: f64,
    compiled_per_change: f64,
    encoded_per_change: f64,
    sent_per_change: f64,
    status_writes_per_change: f64,
    rss_mib: f64,
    connect_s: f64,
    connect_cpu_s: f64,
}

impl Row {
    pub(crate) fn new(run: &Run) -> Self {
        // The warm-up costs as any change does.
        let changes = Measured::all_changes(run.writes);
        let round = |value: f64| (value * 100.0).round() / 100.0;
        let per = |total: f64| round(total / changes);
        let times = |samples: &[Duration], share| round(percentile_ms(samples, share));
        Self {
            case: "control-plane",
            services: run.services,
            proxies: run.proxies,
            target: run.target,
            subscribers: run.subscribers,
            writes: run.writes,
            write_p50_ms: times(&run.measured.write, 0.5),
            p50_ms: times(&run.measured.acknowledged, 0.5),
            p99_ms: times(&run.measured.acknowledged, 0.99),
            programmed_p50_ms: times(&run.measured.programmed, 0.5),
            programmed_p99_ms: times(&run.measured.programmed, 0.99),
            cpu_ms_per_change: per(run.cpu.as_secs_f64() * 1000.0),
            compiled_per_change: per(run.work.compiled),
            encoded_per_change: per(run.work.encoded),
            sent_per_change: per(run.work.sent),
            status_writes_per_change: per(run.work.status_writes),
            rss_mib: round(run.rss_mib),
            connect_s: round(run.connect.as_secs_f64()),
            connect_cpu_s: round(run.connect_cpu.as_secs_f64()),
        }
    }
}

/// A table for people, in Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| services | proxies | subscribers | write p50 ms | acked p50 ms | acked p99 ms | programmed p50 ms | programmed p99 ms \
         | CPU ms/change | compiled | encoded | sent | status writes | RSS MiB | all connected s | CPU s for it |\n",
    );
    text.push_str(&"|---:".repeat(16));
    text.push_str("|\n");
    for r in rows {
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} ({}) | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} | {:.1} | {:.1} |",
            r.services,
            r.proxies,
            r.subscribers,
            r.target,
            r.write_p50_ms,
            r.p50_ms,
            r.p99_ms,
            r.programmed_p50_ms,
            r.programmed_p99_ms,
            r.cpu_ms_per_change,
            r.compiled_per_change,
            r.encoded_per_change,
            r.sent_per_change,
            r.status_writes_per_change,
            r.rss_mib,
            r.connect_s,
            r.connect_cpu_s,
        );
    }
    text
}
