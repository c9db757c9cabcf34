//! What the controller counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::{serve::Work, status::WaitingMetrics};

/// Handles of every metric.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// Connected proxies.
    pub(crate) sessions: IntGauge,
    /// Other replicas, by `state`: heard, unheard.
    pub(crate) replicas: IntGaugeVec,
    /// Changes taken in.
    pub(crate) changes: IntCounter,
    /// How many at a time: batches of them.
    pub(crate) batches: IntCounter,
    /// Resources and checks made.
    compiled: IntCounter,
    /// Messages encoded, whoever gets them.
    encoded: IntCounter,
    /// Messages sent, by `content`: whole, delta, unchanged.
    sent: [IntCounter; 3],
    /// Splits that have waited for their endpoints, by `result`: agreed, expired.
    holds: [IntCounter; 2],
    /// Status writes, by `result`: written, gone, failed.
    pub(crate) status_writes: IntCounterVec,
    /// What waits for proxies.
    pub(crate) waiting: WaitingMetrics,
    /// Admission reviews, by `webhook` and `result`.
    pub(crate) reviews: IntCounterVec,
    /// Certificates, by `result`: issued, refused.
    pub(crate) certificates: IntCounterVec,
    /// Edges of traffic that proxies have told of, and the memory that they take.
    pub(crate) traffic_edges: IntGauge,
    pub(crate) traffic_bytes: IntGauge,
    /// Told edges that were counted with others, and that weren't counted.
    pub(crate) traffic_folded: IntCounter,
    pub(crate) traffic_refused: IntCounter,
}

impl Metrics {
    /// Registers them.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let labelled = |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let sent = labelled("isthmus_controller_messages_total", "Messages to proxies by content.", &["content"])?;
        let holds = labelled(
            "isthmus_controller_split_waits_total",
            "Changed splits that have waited for the endpoints of their Services, by how that ended.",
            &["result"],
        )?;
        let metrics = Self {
            sessions: IntGauge::new("isthmus_controller_sessions", "Connected proxies.")?,
            replicas: IntGaugeVec::new(
                Opts::new(
                    "isthmus_controller_replicas",
                    "Other replicas, by whether they say who is connected to them.",
                ),
                &["state"],
            )?,
            changes: IntCounter::new("isthmus_controller_changes_total", "Changes of watched objects taken in.")?,
            batches: IntCounter::new("isthmus_controller_batches_total", "Batches that changes were taken in by.")?,
            compiled: IntCounter::new(
                "isthmus_controller_compilations_total",
                "Resources and checks made, for new subscriptions and because of changes.",
            )?,
            encoded: IntCounter::new(
                "isthmus_controller_encodings_total",
                "Messages encoded: once each, however many proxies get it.",
            )?,
            sent: ["whole", "delta", "unchanged"].map(|content| sent.with_label_values(&[content])),
            holds: ["agreed", "expired"].map(|result| holds.with_label_values(&[result])),
            status_writes: labelled("isthmus_controller_status_writes_total", "Status writes by result.", &["result"])?,
            waiting: WaitingMetrics::register(registry)?,
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
            traffic_edges: IntGauge::new(
                "isthmus_controller_traffic_edges",
                "Edges of the last hour's traffic that this replica's proxies have told of.",
            )?,
            traffic_bytes: IntGauge::new("isthmus_controller_traffic_bytes", "Memory that those edges take.")?,
            traffic_folded: IntCounter::new(
                "isthmus_controller_traffic_folded_total",
                "Told edges that were counted for their workload alone, for want of room.",
            )?,
            traffic_refused: IntCounter::new(
                "isthmus_controller_traffic_refused_total",
                "Told edges that weren't counted, because they can't be.",
            )?,
        };
        registry.register(Box::new(metrics.sessions.clone()))?;
        registry.register(Box::new(metrics.replicas.clone()))?;
        for gauge in [&metrics.traffic_edges, &metrics.traffic_bytes] {
            registry.register(Box::new(gauge.clone()))?;
        }
        let counted = [&metrics.changes, &metrics.batches, &metrics.compiled, &metrics.encoded];
        for counter in counted.into_iter().chain([&metrics.traffic_folded, &metrics.traffic_refused]) {
            registry.register(Box::new(counter.clone()))?;
        }
        for vec in [sent, holds] {
            registry.register(Box::new(vec))?;
        }
        for vec in [&metrics.status_writes, &metrics.reviews, &metrics.certificates] {
            registry.register(Box::new(vec.clone()))?;
        }
        Ok(metrics)
    }

    /// Adds work up.
    pub(crate) fn count(&self, work: Work) {
        let [whole, delta, unchanged] = &self.sent;
        self.compiled.inc_by(work.made);
        self.encoded.inc_by(work.encoded);
        whole.inc_by(work.whole);
        delta.inc_by(work.delta);
        unchanged.inc_by(work.unchanged);
        let [agreed, expired] = &self.holds;
        agreed.inc_by(work.agreed);
        expired.inc_by(work.expired);
    }
}

#[cfg(test)]
#[path = "../../crates/runtime/src/metrics/contract.rs"]
mod contract;

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;
    use crate::{ca::TrustMetrics, federation::FederationMetrics};

    #[test]
    fn metrics_are_those_of_the_contract() {
        let registry = Registry::new();
        isthmus_runtime::build::register(&registry, "controller").unwrap();
        let metrics = Metrics::register(&registry).unwrap();
        let (_trust, _federated) =
            (TrustMetrics::register(&registry).unwrap(), FederationMetrics::register(&registry).unwrap());
        metrics.replicas.with_label_values(&["heard"]);
        metrics.status_writes.with_label_values(&["written"]);
        metrics.reviews.with_label_values(&["inject", "allowed"]);
        metrics.certificates.with_label_values(&["issued"]);
        let told = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let of_a_root_and_peers = [
            "isthmus_controller_trust_phase",
            "isthmus_controller_trust_proxies",
            "isthmus_federation_catalog_age_seconds",
            "isthmus_federation_gateway_names_unresolved",
            "isthmus_federation_refused_total",
        ];
        contract::check("Controller", &told, &of_a_root_and_peers);
    }
}
