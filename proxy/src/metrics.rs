//! What the sidecar counts. Handles are resolved when a snapshot is built or a connection is accepted; a request only adds.

use isthmus_core::{deny::DenyCode, retry::Failure};
use isthmus_runtime::metrics::{Maker, from_zero};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use crate::fault::Fault;

/// Bounds of latency, in seconds.
const LATENCY: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Classes of answers by their first digit; 0 is a request that got none.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Why a destination may stay unknown.
const DEGRADED: [&str; 4] = ["no-answer", "controller-away", "too-many", "shut-down"];

/// Failures after which a request may be tried again.
const RETRIED: [Failure; 3] = [Failure::Stale, Failure::Unreached, Failure::Refused];

/// Which way traffic goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Inbound,
    Outbound,
}

impl Direction {
    const ALL: [Self; 2] = [Self::Inbound, Self::Outbound];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// One counter for each class of answers.
#[derive(Debug, Clone)]
pub(crate) struct ByClass([IntCounter; 6]);

impl ByClass {
    pub(crate) fn count(&self, status: u16) {
        if let Some(counter) = self.0.get(usize::from(status / 100).min(5)) {
            counter.inc();
        }
    }
}

/// The counters of one edge: where requests went, or who sent them.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    pub(crate) requests: ByClass,
    pub(crate) latency: Histogram,
    pub(crate) tcp: IntCounter,
}

/// One counter for each deny code.
#[derive(Debug)]
pub(crate) struct ByDenyCode(Vec<(DenyCode, IntCounter)>);

impl ByDenyCode {
    pub(crate) fn count(&self, code: DenyCode) {
        if let Some((_, counter)) = self.0.iter().find(|(c, _)| *c == code) {
            counter.inc();
        }
    }
}

/// Every metric of the process.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: IntCounterVec,
    latency: HistogramVec,
    tcp: IntCounterVec,
    inbound_requests: IntCounterVec,
    inbound_latency: HistogramVec,
    inbound_tcp: IntCounterVec,
    pub(crate) denied_http: ByDenyCode,
    pub(crate) denied_tcp: ByDenyCode,
    pub(crate) audited: ByDenyCode,
    pub(crate) revoked: ByDenyCode,
    faults: Vec<(Fault, IntCounter)>,
    retries: Vec<(Failure, IntCounter)>,
    pub(crate) retries_over_budget: IntCounter,
    pub(crate) ejections: IntCounter,
    open: IntGaugeVec,
    handshakes: IntCounterVec,
    pub(crate) destinations: IntGauge,
    degraded: IntCounterVec,
    refused: IntCounterVec,
}

impl Metrics {
    /// Makes and registers all.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Maker(registry);
        let denied = make.counters("denied_total", "Requests and connections denied.", &["protocol", "code"])?;
        let audited =
            make.counters("audited_total", "Let through in audit mode, with the code of the denial.", &["code"])?;
        let revoked =
            make.counters("revoked_connections_total", "Connections closed by a policy change.", &["code"])?;
        let faults = make.counters("upstream_faults_total", "Requests that an upstream failed.", &["code"])?;
        let retries =
            make.counters("retries_total", "Requests tried again, by how the try before failed.", &["after"])?;
        let codes = |f: &dyn Fn(&str) -> IntCounter| ByDenyCode(DenyCode::ALL.map(|c| (c, f(c.as_str()))).into());
        let handshakes = make.counters("tls_handshakes_total", "Mesh TLS handshakes.", &["direction", "outcome"])?;
        for direction in Direction::ALL {
            from_zero(&handshakes, &[&[direction.as_str(), "ok"], &[direction.as_str(), "failed"]]);
        }
        let refused = make.counters(
            "refused_connections_total",
            "Connections reset because their source had its share of all.",
            &["direction"],
        )?;
        from_zero(&refused, &Direction::ALL.map(Direction::as_str).each_ref().map(std::slice::from_ref));
        let edge = &["service", "backend", "split", "class"];
        let degraded = make.counters(
            "degraded_lookups_total",
            "Lookups passed through because the controller gave no answer.",
            &["reason"],
        )?;
        from_zero(&degraded, &DEGRADED.each_ref().map(std::slice::from_ref));
        Ok(Self {
            requests: make.counters("outbound_requests_total", "Requests sent, by where they went.", edge)?,
            latency: make.histograms(
                "outbound_latency_seconds",
                "Time to the end of the answer.",
                edge.split_at(3).0,
                LATENCY,
            )?,
            tcp: make.counters("outbound_tcp_connections_total", "TCP connections made.", edge.split_at(3).0)?,
            inbound_requests: make.counters(
                "inbound_requests_total",
                "Requests received, by client.",
                &["client", "class"],
            )?,
            inbound_latency: make.histograms(
                "inbound_latency_seconds",
                "Time to the end of the answer.",
                &["client"],
                LATENCY,
            )?,
            inbound_tcp: make.counters(
                "inbound_tcp_connections_total",
                "TCP connections taken, by client.",
                &["client"],
            )?,
            denied_http: codes(&|code| denied.with_label_values(&["http", code])),
            denied_tcp: codes(&|code| denied.with_label_values(&["tcp", code])),
            audited: codes(&|code| audited.with_label_values(&[code])),
            revoked: codes(&|code| revoked.with_label_values(&[code])),
            faults: Fault::ALL.map(|f| (f, faults.with_label_values(&[f.as_str()]))).into(),
            retries: RETRIED.map(|f| (f, retries.with_label_values(&[f.as_str()]))).into(),
            retries_over_budget: make.counter("retries_over_budget_total", "Retries that the budget didn't allow.")?,
            ejections: make.counter("endpoint_ejections_total", "Endpoints passed over because they lost requests.")?,
            open: make.gauges("open_connections", "Connections open now.", &["direction"])?,
            handshakes,
            destinations: make.gauge("destinations", "Destinations subscribed to.")?,
            refused,
            degraded,
        })
    }

    /// The counters of an outbound edge.
    pub(crate) fn outbound(&self, service: &str, backend: &str, split: &str) -> Edge {
        Edge {
            requests: ByClass(CLASSES.map(|class| self.requests.with_label_values(&[service, backend, split, class]))),
            latency: self.latency.with_label_values(&[service, backend, split]),
            tcp: self.tcp.with_label_values(&[service, backend, split]),
        }
    }

    /// The counters of a client, by its identity (`none` without one).
    pub(crate) fn inbound(&self, client: &str) -> Edge {
        Edge {
            requests: ByClass(CLASSES.map(|class| self.inbound_requests.with_label_values(&[client, class]))),
            latency: self.inbound_latency.with_label_values(&[client]),
            tcp: self.inbound_tcp.with_label_values(&[client]),
        }
    }

    pub(crate) fn open(&self, direction: Direction) -> IntGauge {
        self.open.with_label_values(&[direction.as_str()])
    }

    pub(crate) fn handshake(&self, direction: Direction, ok: bool) {
        self.handshakes.with_label_values(&[direction.as_str(), if ok { "ok" } else { "failed" }]).inc();
    }

    pub(crate) fn fault(&self, fault: Fault) {
        if let Some((_, counter)) = self.faults.iter().find(|(f, _)| *f == fault) {
            counter.inc();
        }
    }

    pub(crate) fn retry(&self, after: Failure) {
        if let Some((_, counter)) = self.retries.iter().find(|(f, _)| *f == after) {
            counter.inc();
        }
    }

    /// A connection of a source that has its share.
    pub(crate) fn refused(&self, direction: Direction) {
        self.refused.with_label_values(&[direction.as_str()]).inc();
    }

    pub(crate) fn degraded(&self, reason: &str) {
        self.degraded.with_label_values(&[reason]).inc();
    }
}
