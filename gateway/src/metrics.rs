//! What the gateway counts.

use isthmus_core::federation::RemoteName;
use isthmus_runtime::metrics::{Maker, from_zero};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use crate::{live::Cut, refusal::Refusal};

/// Bounds of the time to a whole ClientHello, in seconds.
const HELLO: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Which service a connection goes to: the labels of what is counted by it.
const SERVICE: &[&str] = &["direction", "mesh", "service"];

/// Which way a connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    /// To a pod of this mesh.
    Ingress,
    /// To another mesh's gateway.
    Egress,
}

impl Direction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// The counters of one service of one mesh.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) connections: IntCounter,
    pub(crate) open: IntGauge,
    pub(crate) dial_failures: IntCounter,
    pub(crate) received: IntCounter,
    pub(crate) sent: IntCounter,
}

/// Every metric of the process but those of its session with the controller.
#[derive(Debug)]
pub(crate) struct Metrics {
    connections: IntCounterVec,
    open: IntGaugeVec,
    dial_failures: IntCounterVec,
    bytes: IntCounterVec,
    refused: IntCounterVec,
    cut: IntCounterVec,
    pub(crate) hello: Histogram,
}

impl Metrics {
    /// Makes and registers all.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Maker(registry);
        let refused =
            make.counters("gateway_refused_total", "Connections reset before anything was relayed.", &["reason"])?;
        from_zero(&refused, &Refusal::ALL.map(Refusal::code).each_ref().map(std::slice::from_ref));
        let cut =
            make.counters("gateway_cut_connections_total", "Connections reset while they were relayed.", &["reason"])?;
        from_zero(&cut, &Cut::ALL.map(Cut::code).each_ref().map(std::slice::from_ref));
        Ok(Self {
            connections: make.counters("gateway_connections_total", "Connections relayed.", SERVICE)?,
            open: make.gauges("gateway_open_connections", "Connections relayed now.", SERVICE)?,
            dial_failures: make.counters(
                "gateway_dial_failures_total",
                "Attempts to connect to an endpoint or to the next gateway that failed.",
                SERVICE,
            )?,
            bytes: make.counters(
                "gateway_bytes_total",
                "Bytes relayed: `received` of the client, `sent` to it.",
                &["direction", "mesh", "service", "way"],
            )?,
            refused,
            cut,
            hello: make.histogram("gateway_hello_seconds", "Time to a whole ClientHello.", HELLO)?,
        })
    }

    /// The counters of a service.
    pub(crate) fn edge(&self, direction: Direction, name: &RemoteName) -> Edge {
        let service = format!("{}:{}", name.service, name.port);
        self.labelled([direction.as_str(), name.mesh.as_str(), &service])
    }

    /// The counters of all services that have none of their own.
    pub(crate) fn others(&self, direction: Direction) -> Edge {
        self.labelled([direction.as_str(), "other", "other"])
    }

    fn labelled(&self, labels: [&str; 3]) -> Edge {
        let [direction, mesh, service] = labels;
        Edge {
            connections: self.connections.with_label_values(&labels),
            open: self.open.with_label_values(&labels),
            dial_failures: self.dial_failures.with_label_values(&labels),
            received: self.bytes.with_label_values(&[direction, mesh, service, "received"]),
            sent: self.bytes.with_label_values(&[direction, mesh, service, "sent"]),
        }
    }

    pub(crate) fn refused(&self, why: Refusal) {
        self.refused.with_label_values(&[why.code()]).inc();
    }

    pub(crate) fn cut(&self, why: Cut) {
        self.cut.with_label_values(&[why.code()]).inc();
    }
}

#[cfg(test)]
#[path = "../../crates/runtime/src/metrics/contract.rs"]
mod contract;

#[cfg(test)]
mod tests {
    use isthmus_proxy::control;
    use prometheus::TextEncoder;

    use super::*;

    #[test]
    fn metrics_are_those_of_the_contract() {
        let registry = Registry::new();
        isthmus_runtime::build::register(&registry, "gateway").unwrap();
        let (metrics, _control) = (Metrics::new(&registry).unwrap(), control::Metrics::new(&registry).unwrap());
        drop(metrics.others(Direction::Egress));
        let told = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        // Those of what the controller sends are there once it has.
        let policy = ["isthmus_policy_info", "isthmus_policy_applied_timestamp_seconds", "isthmus_policy_refused"];
        contract::check("Gateway", &told, &policy);
    }
}
