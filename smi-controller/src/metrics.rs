//! What the controller counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Handles of every metric.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// Connected proxies.
    pub(crate) sessions: IntGauge,
    /// Changes taken in.
    pub(crate) changes: IntCounter,
    /// Resources and checks made anew because of them.
    pub(crate) compiled: IntCounter,
    /// Status writes, by `result`: written, gone, failed.
    pub(crate) status_writes: IntCounterVec,
    /// Admission reviews, by `webhook` and `result`.
    pub(crate) reviews: IntCounterVec,
    /// Certificates, by `result`: issued, refused.
    pub(crate) certificates: IntCounterVec,
}

impl Metrics {
    /// Registers them.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let labelled = |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let metrics = Self {
            sessions: IntGauge::new("isthmus_controller_sessions", "Connected proxies.")?,
            changes: IntCounter::new("isthmus_controller_changes_total", "Changes of watched objects taken in.")?,
            compiled: IntCounter::new(
                "isthmus_controller_compilations_total",
                "Resources and checks made anew because of changes.",
            )?,
            status_writes: labelled("isthmus_controller_status_writes_total", "Status writes by result.", &["result"])?,
            reviews: labelled(
                "isthmus_controller_admission_reviews_total",
                "Admission reviews by webhook and result.",
                &["webhook", "result"],
            )?,
            certificates: labelled(
                "isthmus_controller_certificates_total",
                "Requests for certificates by result.",
                &["result"],
            )?,
        };
        registry.register(Box::new(metrics.sessions.clone()))?;
        registry.register(Box::new(metrics.changes.clone()))?;
        registry.register(Box::new(metrics.compiled.clone()))?;
        for vec in [&metrics.status_writes, &metrics.reviews, &metrics.certificates] {
            registry.register(Box::new(vec.clone()))?;
        }
        Ok(metrics)
    }
}
