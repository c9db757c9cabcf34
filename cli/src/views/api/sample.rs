//! What one item of the metrics API says, in one form whichever mesh has written it.

use std::{fmt, time::Duration};

use serde::Serialize;
use serde_json::Value;

use super::body;
use crate::views::{kinds, quantity};

/// The window of a server that doesn't tell: the specification's.
const WINDOW: Duration = Duration::from_secs(30);
/// No name of Kubernetes' is longer.
const LONGEST_NAME: usize = 253;

/// Something that has traffic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub(crate) struct Ref {
    /// The mesh that it is in, if that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mesh: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) namespace: String,
    /// Empty: somebody that the mesh doesn't know by name.
    pub(crate) name: String,
    pub(crate) kind: String,
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mesh) = &self.mesh {
            write!(f, "{mesh}: ")?;
        }
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(if self.name.is_empty() { "(unknown)" } else { &self.name })
    }
}

/// What happened in a window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) resource: Ref,
    pub(crate) edge: Edge,
    pub(crate) backend: Option<Backend>,
    pub(crate) golden: Golden,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edge {
    /// Does the traffic come from the peer?
    pub(crate) inbound: bool,
    pub(crate) side: Side,
    pub(crate) peer: Ref,
}

/// Where it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    /// At whoever calls
    Client,
    /// At whoever is called
    Server,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Backend {
    pub(crate) apex: String,
    pub(crate) name: String,
    pub(crate) weight: f64,
}

/// The golden metrics. Counts are of the window, and needn't be whole: some servers extrapolate.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Golden {
    pub(crate) window: Duration,
    pub(crate) successes: f64,
    pub(crate) failures: f64,
    /// In milliseconds.
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
}

impl Sample {
    /// Who calls whom, of an edge.
    pub(crate) fn ends(&self) -> (&Ref, &Ref) {
        if self.edge.inbound { (&self.edge.peer, &self.resource) } else { (&self.resource, &self.edge.peer) }
    }
}

impl Golden {
    pub(crate) fn requests(&self) -> f64 {
        self.successes + self.failures
    }

    pub(crate) fn rps(&self) -> f64 {
        let seconds = self.window.as_secs_f64();
        if seconds > 0.0 { self.requests() / seconds } else { 0.0 }
    }

    /// From 0 to 1; `None` without requests.
    pub(crate) fn success_rate(&self) -> Option<f64> {
        (self.requests() > 0.0).then(|| self.successes / self.requests())
    }
}

impl From<body::Item> for Sample {
    fn from(item: body::Item) -> Self {
        // A count below zero is a gap in somebody's counters.
        let metric = |name: &str| item.metrics.iter().find(|m| m.name == name);
        let count = |name| metric(name).map_or(0.0, |m| number(&m.value).max(0.0));
        let millis = |name| metric(name).map_or(0.0, |m| latency(m).max(0.0));
        let golden = Golden {
            window: quantity::duration(&item.window).unwrap_or(WINDOW),
            successes: count("success_count"),
            failures: count("failure_count"),
            p50: millis("p50_response_latency"),
            p90: millis("p90_response_latency"),
            p99: millis("p99_response_latency"),
        };
        let inbound = !item.edge.direction.eq_ignore_ascii_case("to");
        let side = match item.edge.side.to_ascii_lowercase().as_str() {
            "client" => Side::Client,
            "server" => Side::Server,
            // By the specification, what is sent is measured where it is sent, and what is received where it is received.
            _ if inbound => Side::Server,
            _ => Side::Client,
        };
        let backend = item.backend.filter(|b| !b.name.is_empty()).map(|b| Backend {
            apex: clean(&b.apex),
            name: clean(&b.name),
            weight: number(&b.weight).max(0.0),
        });
        Self {
            resource: item.resource.into(),
            edge: Edge { inbound, side, peer: item.edge.resource.into() },
            backend,
            golden,
        }
    }
}

impl From<body::Reference> for Ref {
    fn from(from: body::Reference) -> Self {
        Self {
            mesh: Some(clean(&from.mesh)).filter(|mesh| !mesh.is_empty()),
            namespace: clean(&from.namespace),
            name: clean(&from.name),
            kind: kinds::spelled(&clean(&from.kind)).to_owned(),
        }
    }
}

/// Names are a server's words, and end in terminals: nothing that steers one may be among them.
pub(crate) fn clean(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().take(LONGEST_NAME).map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

fn number(value: &Value) -> f64 {
    value.as_str().map_or_else(|| value.as_f64(), quantity::quantity).unwrap_or(0.0)
}

fn latency(metric: &body::Metric) -> f64 {
    let scale = match metric.unit.to_ascii_lowercase().as_str() {
        "s" | "sec" | "second" | "seconds" => 1000.0,
        "us" | "microseconds" => 0.001,
        "ns" | "nanoseconds" => 0.000_001,
        _ => 1.0,
    };
    number(&metric.value) * scale
}

#[cfg(test)]
mod tests;
