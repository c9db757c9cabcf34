//! Edges as Prometheus reads them. The text is made for a scrape and for nothing else: at the cap it is some megabytes, and as
//! objects of a library it would be ten times that.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use isthmus_core::telemetry::{BOUNDS, Workload};

use super::{Counts, Edge, Protocol};
use crate::metrics::Direction;

/// Classes of answers by their first digit; 0 is a request that got none.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// Classes that are there from the edge's first moment, so that a rate of none is 0 and not missing.
const ALWAYS: [usize; 2] = [2, 5];

/// An edge with its labels, as all its series have them.
struct Row {
    labels: String,
    direction: Direction,
    protocol: Protocol,
    counts: Counts,
}

/// Writes every metric of the edges, seen from `own`.
pub(crate) fn render(out: &mut String, own: &Workload, edges: &[Arc<Edge>]) {
    let rows: Vec<Row> = edges.iter().map(|edge| Row::of(own, edge)).collect();
    for direction in Direction::ALL {
        let of = |row: &&Row| row.direction == direction;
        let mut page = Page { out, direction };
        // A String takes whatever is written.
        let _ = page.write(&rows.iter().filter(of).collect::<Vec<_>>());
    }
}

impl Row {
    fn of(own: &Workload, edge: &Edge) -> Self {
        let key = &edge.key;
        let unknown = Workload::default();
        let peer = key.peer.as_deref().unwrap_or(&unknown);
        let (source, destination) = match key.direction {
            Direction::Inbound => (peer, own),
            Direction::Outbound => (own, peer),
        };
        let mut labels = String::with_capacity(480);
        for (end, workload) in [("source", source), ("destination", destination)] {
            let parts = [
                ("mesh", &workload.mesh),
                ("namespace", &workload.namespace),
                ("workload_kind", &workload.kind),
                ("workload", &workload.name),
                ("pod", &workload.pod),
            ];
            for (part, value) in parts {
                let value: &str = if value.is_empty() { "unknown" } else { value };
                let _ = write!(labels, "{end}_{part}=\"{}\",", Escaped(value));
            }
        }
        let _ = write!(labels, "service=\"{}\",protocol=\"{}\",", Escaped(&key.service), key.protocol.as_str());
        let _ = match key.direction {
            Direction::Inbound => write!(labels, "client=\"{}\"", Escaped(&key.client)),
            Direction::Outbound => {
                write!(labels, "backend=\"{}\",split=\"{}\"", Escaped(&key.backend), Escaped(&key.split))
            }
        };
        Self { labels, direction: key.direction, protocol: key.protocol, counts: edge.read() }
    }
}

/// The metrics of one direction.
struct Page<'a> {
    out: &'a mut String,
    direction: Direction,
}

impl Page<'_> {
    fn write(&mut self, rows: &[&Row]) -> fmt::Result {
        let requests: Vec<&Row> = rows.iter().filter(|row| row.protocol != Protocol::Tcp).copied().collect();
        let tcp: Vec<&Row> = rows.iter().filter(|row| row.protocol == Protocol::Tcp).copied().collect();
        let inbound = self.direction == Direction::Inbound;
        let help = if inbound { "Requests received." } else { "Requests sent." };
        self.family(&requests, "requests_total", "counter", help, |out, name, row| {
            for (class, (text, count)) in CLASSES.iter().zip(row.counts.by_class()).enumerate() {
                if count > 0 || ALWAYS.contains(&class) {
                    writeln!(out, "{name}{{{},class=\"{text}\"}} {count}", row.labels)?;
                }
            }
            Ok(())
        })?;
        let help = "Requests, and TCP connections that have ended, by how they went.";
        self.family(rows, "responses_total", "counter", help, |out, name, row| {
            for (text, count) in [("success", row.counts.successes), ("failure", row.counts.failures)] {
                writeln!(out, "{name}{{{},classification=\"{text}\"}} {count}", row.labels)?;
            }
            Ok(())
        })?;
        self.family(&requests, "latency_seconds", "histogram", "Time to the end of the answer.", histogram)?;
        let help = "Bytes of the caller (received) and of the callee (sent): bodies of messages, or all of TCP.";
        self.family(rows, "bytes_total", "counter", help, |out, name, row| {
            for (way, count) in [("received", row.counts.received), ("sent", row.counts.sent)] {
                writeln!(out, "{name}{{{},way=\"{way}\"}} {count}", row.labels)?;
            }
            Ok(())
        })?;
        let help = if inbound { "TCP connections taken." } else { "TCP connections made." };
        self.family(&tcp, "tcp_connections_total", "counter", help, |out, name, row| {
            writeln!(out, "{name}{{{}}} {}", row.labels, row.counts.connections)
        })?;
        // Connections to endpoints for HTTP are shared by the backends that have them.
        let (held, help) = match inbound {
            true => (rows, "Connections open now, by what was spoken first."),
            false => (&*tcp, "TCP connections open now."),
        };
        self.family(held, "open_connections", "gauge", help, |out, name, row| {
            writeln!(out, "{name}{{{}}} {}", row.labels, row.counts.open)
        })
    }

    fn family(
        &mut self,
        rows: &[&Row],
        name: &str,
        kind: &str,
        help: &str,
        each: impl Fn(&mut String, &str, &Row) -> fmt::Result,
    ) -> fmt::Result {
        if rows.is_empty() {
            return Ok(());
        }
        let name = format!("isthmus_{}_{name}", self.direction.as_str());
        writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
        rows.iter().try_for_each(|row| each(self.out, &name, row))
    }
}

fn histogram(out: &mut String, name: &str, row: &Row) -> fmt::Result {
    let (latency, labels) = (&row.counts.latency, &row.labels);
    let mut below = 0_u64;
    for (bound, count) in BOUNDS.iter().zip(latency.counts) {
        below = below.saturating_add(count);
        writeln!(out, "{name}_bucket{{{labels},le=\"{}\"}} {below}", bound.as_secs_f64())?;
    }
    let count = latency.count();
    writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}")?;
    writeln!(out, "{name}_sum{{{labels}}} {}", latency.sum_micros as f64 / 1e6)?;
    writeln!(out, "{name}_count{{{labels}}} {count}")
}

/// The value of a label.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\"),
                '"' => f.write_str("\\\""),
                '\n' => f.write_str("\\n"),
                c => f.write_char(c),
            }?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
