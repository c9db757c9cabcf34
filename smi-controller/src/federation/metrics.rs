//! What is counted of other meshes.

use std::time::Instant;

use prometheus::{GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::session::{Hub, Session};

/// Handles of every metric.
#[derive(Debug, Clone)]
pub(crate) struct FederationMetrics {
    connected: IntGauge,
    /// By `mesh` and `cluster`: those of peers.
    age: GaugeVec,
    /// By `mesh`.
    unresolved: IntGaugeVec,
    /// By `what`.
    pub(super) refused: IntCounterVec,
}

impl FederationMetrics {
    /// Registers them.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            connected: IntGauge::new("isthmus_federation_hub_connected", "Whether there is a session with the hub.")?,
            age: GaugeVec::new(
                Opts::new(
                    "isthmus_federation_catalog_age_seconds",
                    "Time since the newest sign of life of a catalog in use, by mesh and cluster.",
                ),
                &["mesh", "cluster"],
            )?,
            unresolved: IntGaugeVec::new(
                Opts::new(
                    "isthmus_federation_gateway_names_unresolved",
                    "Names of a peer's gateways whose newest lookup failed: what was found before stays in use.",
                ),
                &["mesh"],
            )?,
            refused: IntCounterVec::new(
                Opts::new(
                    "isthmus_federation_refused_total",
                    "What the hub relayed or said and wasn't taken, by what it was.",
                ),
                &["what"],
            )?,
        };
        registry.register(Box::new(metrics.connected.clone()))?;
        registry.register(Box::new(metrics.age.clone()))?;
        registry.register(Box::new(metrics.unresolved.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        Ok(metrics)
    }

    pub(super) fn show(&self, session: &Session, now: Instant) {
        self.connected.set(matches!(session.hub, Hub::Connected { .. }).into());
        self.age.reset();
        for (mesh, cluster, age) in session.catalogs.ages(now) {
            self.age.with_label_values(&[mesh.as_str(), cluster.as_str()]).set(age.as_secs_f64());
        }
        self.unresolved.reset();
        for (mesh, names) in session.catalogs.unresolved() {
            self.unresolved.with_label_values(&[mesh.as_str()]).set(i64::try_from(names).unwrap_or(i64::MAX));
        }
    }

    /// This replica doesn't lead any more.
    pub(super) fn clear(&self) {
        self.connected.set(0);
        self.age.reset();
        self.unresolved.reset();
    }
}
