//! Two metrics, requests and their latency in milliseconds. Edges that a family can't tell apart are one series.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use isthmus_core::telemetry::{BOUNDS, Latency};

use crate::edges::render::Escaped;

/// What a family calls them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    pub(super) requests: &'static str,
    pub(super) latency: &'static str,
}

/// Labels, and what is counted under them.
#[derive(Debug)]
pub(super) struct Page {
    names: Names,
    requests: BTreeMap<String, u64>,
    latency: BTreeMap<String, Latency>,
}

impl Page {
    pub(super) fn new(names: Names) -> Self {
        Self { names, requests: BTreeMap::new(), latency: BTreeMap::new() }
    }

    /// Counts requests; `more` labels are theirs alone.
    pub(super) fn requests(&mut self, common: &str, more: &[(&str, &str)], count: u64) {
        let sum = self.requests.entry(format!("{common},{}", labels(more))).or_default();
        *sum = sum.saturating_add(count);
    }

    pub(super) fn latency(&mut self, common: &str, latency: &Latency) {
        match self.latency.get_mut(common) {
            Some(sum) => sum.merge(latency),
            None => drop(self.latency.insert(common.to_owned(), *latency)),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        // A String takes whatever is written.
        let _ = self.try_write(out);
    }

    fn try_write(&self, out: &mut String) -> fmt::Result {
        let Names { requests, latency: name } = self.names;
        if !self.requests.is_empty() {
            writeln!(out, "# HELP {requests} Requests, as another mesh names them.\n# TYPE {requests} counter")?;
        }
        for (labels, count) in &self.requests {
            writeln!(out, "{requests}{{{labels}}} {count}")?;
        }
        if !self.latency.is_empty() {
            writeln!(out, "# HELP {name} Time to the end of the answer, in milliseconds.\n# TYPE {name} histogram")?;
        }
        for (labels, latency) in &self.latency {
            let mut below = 0_u64;
            for (bound, count) in BOUNDS.iter().zip(latency.counts) {
                below = below.saturating_add(count);
                let le = bound.as_micros() as f64 / 1e3;
                writeln!(out, "{name}_bucket{{{labels},le=\"{le}\"}} {below}")?;
            }
            let count = latency.count();
            writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}")?;
            writeln!(out, "{name}_sum{{{labels}}} {}", latency.sum_micros as f64 / 1e3)?;
            writeln!(out, "{name}_count{{{labels}}} {count}")?;
        }
        Ok(())
    }
}

/// Labels as they stand between the braces.
pub(super) fn labels(of: &[(&str, &str)]) -> String {
    let each = of.iter().map(|(name, value)| format!("{name}=\"{}\"", Escaped(value)));
    each.collect::<Vec<_>>().join(",")
}
