//! What the controller's client counts.

use isthmus_runtime::metrics::{Maker, from_zero};
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Registry};

/// How asking for a certificate may end.
const CERTIFIED: [&str; 2] = ["ok", "failed"];
/// What may become of what the controller sends.
const RECEIVED: [&str; 3] = ["applied", "refused", "resubscribed"];

/// The metrics of a certificate and of a session.
#[derive(Debug)]
pub struct Metrics {
    pub(super) certificate_expiry: IntGauge,
    pub(super) clock_skew: IntGauge,
    pub(super) certificate_renewals: IntCounterVec,
    pub(super) connected: IntGauge,
    pub(super) updates: IntCounterVec,
    pub(super) policy: IntGaugeVec,
    pub(super) policy_applied: IntGaugeVec,
    pub(super) policy_refused: IntGaugeVec,
}

impl Metrics {
    /// Makes and registers all.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Maker(registry);
        let certificate_renewals =
            make.counters("certificate_requests_total", "Certificates asked for.", &["outcome"])?;
        from_zero(&certificate_renewals, &CERTIFIED.each_ref().map(std::slice::from_ref));
        let updates =
            make.counters("control_updates_total", "Resources received from the controller.", &["outcome"])?;
        from_zero(&updates, &RECEIVED.each_ref().map(std::slice::from_ref));
        Ok(Self {
            certificate_expiry: make.gauge("certificate_expiry_seconds", "End of the certificate, Unix time.")?,
            clock_skew: make.gauge("clock_skew_seconds", "How far this clock is behind the controller's.")?,
            certificate_renewals,
            connected: make.gauge("control_connected", "1 while the controller's stream is up.")?,
            updates,
            policy: make.gauges(
                "policy_info",
                "The version of a resource in use; always 1.",
                &["resource", "version"],
            )?,
            policy_applied: make.gauges(
                "policy_applied_timestamp_seconds",
                "When a resource was last taken over from the controller, Unix time.",
                &["resource"],
            )?,
            policy_refused: make.gauges(
                "policy_refused",
                "Resources whose newest version was refused: what was known before is in use.",
                &["resource"],
            )?,
        })
    }
}
