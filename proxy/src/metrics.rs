//! What the sidecar counts. Handles are resolved when a snapshot is built or a connection is accepted; a request only adds.

use isthmus_core::{deny::DenyCode, retry::Failure};
use isthmus_runtime::metrics::{Maker, from_zero};
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use crate::{fault::Fault, tap};

/// Why a destination may stay unknown.
const DEGRADED: [&str; 4] = ["no-answer", "controller-away", "too-many", "shut-down"];

/// Failures after which a request may be tried again.
const RETRIED: [Failure; 3] = [Failure::Stale, Failure::Unreached, Failure::Refused];

/// Which way traffic goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    Inbound,
    Outbound,
}

impl Direction {
    pub(crate) const ALL: [Self; 2] = [Self::Inbound, Self::Outbound];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
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
    pub(crate) folded: IntCounter,
    /// Of what taps take, by how it fares.
    pub(crate) tapped: IntCounterVec,
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
        let tapped = make.counters("tapped_total", "Requests and connections that taps take.", &["outcome"])?;
        from_zero(&tapped, &tap::OUTCOMES.each_ref().map(std::slice::from_ref));
        let refused = make.counters(
            "refused_connections_total",
            "Connections reset because their source had its share of all.",
            &["direction"],
        )?;
        from_zero(&refused, &Direction::ALL.map(Direction::as_str).each_ref().map(std::slice::from_ref));
        let degraded = make.counters(
            "degraded_lookups_total",
            "Lookups passed through because the controller gave no answer.",
            &["reason"],
        )?;
        from_zero(&degraded, &DEGRADED.each_ref().map(std::slice::from_ref));
        Ok(Self {
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
            tapped,
            folded: make
                .counter("folded_edges_total", "Times that an edge had no place of its own and became `other`.")?,
        })
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
