//! What the hub counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Handles of every metric.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Meshes that have joined.
    pub(super) members: IntGauge,
    /// Connected clusters.
    pub(super) sessions: IntGauge,
    /// Catalogs kept.
    pub(super) catalogs: IntGauge,
    /// Their bytes.
    pub(super) catalog_bytes: IntGauge,
    /// Bytes relayed.
    pub(super) relayed: IntCounter,
    /// Messages not taken, by `what`.
    pub(super) refused: IntCounterVec,
    /// Requests to join, by `result`.
    pub(super) joins: IntCounterVec,
    /// Messages heard later, by `mesh` and `cluster`.
    pub(super) slowed: IntCounterVec,
    /// Seconds since a cluster was heard, by `mesh` and `cluster`.
    pub(super) silence: IntGaugeVec,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, label| IntCounterVec::new(Opts::new(name, help), &[label]);
        let metrics = Self {
            members: IntGauge::new("isthmus_hub_members", "Meshes that have joined.")?,
            sessions: IntGauge::new("isthmus_hub_sessions", "Connected clusters of members.")?,
            catalogs: IntGauge::new("isthmus_hub_catalogs", "Catalogs kept, by cluster and audience.")?,
            catalog_bytes: IntGauge::new("isthmus_hub_catalog_bytes", "Bytes of the catalogs kept.")?,
            relayed: IntCounter::new("isthmus_hub_relayed_bytes_total", "Bytes of what members have said, sent on.")?,
            refused: counters(
                "isthmus_hub_refused_total",
                "Messages of members not taken, by what they were.",
                "what",
            )?,
            joins: counters(
                "isthmus_hub_joins_total",
                "Requests to join by result: admitted, refused, busy.",
                "result",
            )?,
            slowed: IntCounterVec::new(
                Opts::new("isthmus_hub_slowed_total", "Messages of members heard later, for they say too much."),
                &["mesh", "cluster"],
            )?,
            silence: IntGaugeVec::new(
                Opts::new("isthmus_hub_silence_seconds", "Seconds since a cluster of a member was heard."),
                &["mesh", "cluster"],
            )?,
        };
        for gauge in [&metrics.members, &metrics.sessions, &metrics.catalogs, &metrics.catalog_bytes] {
            registry.register(Box::new(gauge.clone()))?;
        }
        registry.register(Box::new(metrics.relayed.clone()))?;
        for vec in [&metrics.refused, &metrics.joins, &metrics.slowed] {
            registry.register(Box::new(vec.clone()))?;
        }
        registry.register(Box::new(metrics.silence.clone()))?;
        Ok(metrics)
    }
}

#[cfg(test)]
#[path = "../../../crates/runtime/src/metrics/contract.rs"]
mod contract;

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    #[test]
    fn metrics_are_those_of_the_contract() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        metrics.refused.with_label_values(&["bundle"]);
        metrics.joins.with_label_values(&["admitted"]);
        metrics.slowed.with_label_values(&["west", "w1"]);
        metrics.silence.with_label_values(&["west", "w1"]);
        let told = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        // Those of the process and of its session are the role's.
        let of_the_role = [
            "isthmus_build_info",
            "isthmus_certificate_expiry_seconds",
            "isthmus_certificate_requests_total",
            "isthmus_clock_skew_seconds",
            "isthmus_control_connected",
            "isthmus_control_updates_total",
            "isthmus_start_time_seconds",
        ];
        contract::check("Hub", &told, &of_the_role);
    }
}
