//! A question in PromQL. Counts over a window are exact where Prometheus can know them: `increase` extrapolates to the edges of the
//! window, and sees nothing of a series' first value.

use std::time::Duration;

use isthmus_core::id::TrustDomain;

use crate::telemetry::{
    model::Direction,
    source::{Of, Query},
};

/// How far a sample is looked back for at the least: farther than any sensible time from one scrape to the next.
const LOOK_BACK: Duration = Duration::from_secs(60);
/// When a process has begun; every target has it.
const START: &str = "isthmus_start_time_seconds";

/// The expression whose vector answers a question: counts by `classification`, and buckets, cumulative, by `le`.
pub(super) fn of(query: &Query, mesh: &TrustDomain) -> String {
    let direction = match query.direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    };
    let (matchers, labels) = (matchers(query, mesh.as_str()), labels(query));
    let sum = |metric: &str, by: &str| {
        let by: Vec<&str> = labels.iter().map(String::as_str).chain([by]).collect();
        let counted = counted(&format!("isthmus_{direction}_{metric}{{{matchers}}}"), query.window);
        format!("sum by ({}) ({counted})", by.join(", "))
    };
    format!("{} or {}", sum("responses_total", "classification"), sum("latency_seconds_bucket", "le"))
}

/// How much each series has grown within the window: by the difference, where it was there before; by all that it has, where it
/// has begun within the window, as is known of a target that was scraped before or has started within it; else, after a restart or
/// where scraping has only just begun, by what `increase` makes of it.
pub(super) fn counted(series: &str, window: Duration) -> String {
    let (w, l) = (millis(window), millis(window.max(LOOK_BACK)));
    let (now, before) = (format!("last_over_time({series}[{l}])"), format!("last_over_time({series}[{l}] offset {w})"));
    let seconds = window.as_secs_f64();
    let scraped = format!("last_over_time({START}[{l}] offset {w})");
    let started = format!("last_over_time({START}[{l}]) > time() - {seconds}");
    format!(
        "({now} - {before} >= 0) or (({now} unless {before}) and on (job, instance) ({scraped} or {started})) or \
         increase({series}[{w}])"
    )
}

fn millis(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}

/// Which labels begin so: of the workload that counts, and of the other.
pub(super) const fn ends(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::Inbound => ("destination", "source"),
        Direction::Outbound => ("source", "destination"),
    }
}

fn matchers(query: &Query, mesh: &str) -> String {
    let (own, peer) = ends(query.direction);
    let mut all = vec![format!("{own}_mesh={}", literal(mesh))];
    if let Some((of, namespace)) = &query.within {
        // A name with a slash in it is one of the namespace's.
        let named = literal(&format!("{}/.+", regex::escape(namespace)));
        all.extend(match of {
            Of::Own => vec![format!("{own}_namespace={}", literal(namespace))],
            Of::Peer => {
                vec![format!("{peer}_mesh={}", literal(mesh)), format!("{peer}_namespace={}", literal(namespace))]
            }
            Of::Service => vec![format!("service=~{named}")],
            Of::Split => vec![format!("split=~{named}")],
        });
    }
    if query.keep.split {
        all.push("split!=\"\"".to_owned());
    }
    all.join(",")
}

fn labels(query: &Query) -> Vec<String> {
    const WORKLOAD: [&str; 4] = ["namespace", "workload_kind", "workload", "pod"];
    let (own, peer) = ends(query.direction);
    let keep = query.keep;
    let of = |end: &'static str| WORKLOAD.map(|part| format!("{end}_{part}"));
    let mut all = Vec::new();
    if keep.own {
        all.extend(of(own));
    }
    if keep.peer {
        all.push(format!("{peer}_mesh"));
        all.extend(of(peer));
    }
    if keep.service {
        all.push("service".to_owned());
    }
    if keep.split {
        all.extend(["backend", "split"].map(str::to_owned));
    }
    all
}

/// A string of PromQL. What it holds may come from a request.
fn literal(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
