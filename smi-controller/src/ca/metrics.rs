//! The roots in numbers.

use std::time::UNIX_EPOCH;

use isthmus_identity::{Census, Phase};
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use super::Roots;

/// Handles of the metrics of the roots.
#[derive(Debug, Clone)]
pub(crate) struct TrustMetrics {
    phase: IntGaugeVec,
    proxies: IntGaugeVec,
    sequence: IntGauge,
    expiry: IntGauge,
}

impl TrustMetrics {
    /// Registers them.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauges = |name: &str, help: &str, label: &str| IntGaugeVec::new(Opts::new(name, help), &[label]);
        let metrics = Self {
            phase: gauges(
                "isthmus_controller_trust_phase",
                "1 for the phase that the root's rotation is in.",
                "phase",
            )?,
            proxies: gauges(
                "isthmus_controller_trust_proxies",
                "In a rotation, on the leading replica: proxies, and those that have done what the phase asks of them.",
                "state",
            )?,
            sequence: IntGauge::new("isthmus_controller_trust_sequence", "Sequence of the mesh's bundle.")?,
            expiry: IntGauge::new("isthmus_controller_root_expiry_seconds", "End of the signing root, Unix time.")?,
        };
        registry.register(Box::new(metrics.phase.clone()))?;
        registry.register(Box::new(metrics.proxies.clone()))?;
        registry.register(Box::new(metrics.sequence.clone()))?;
        registry.register(Box::new(metrics.expiry.clone()))?;
        Ok(metrics)
    }

    pub(super) fn roots(&self, roots: &Roots) {
        let present = name(roots.rotation.phase);
        for phase in ["Steady", "Publishing", "Turning"] {
            self.phase.with_label_values(&[phase]).set(i64::from(phase == present));
        }
        self.sequence.set(i64::try_from(roots.rotation.sequence).unwrap_or(i64::MAX));
        let expiry = roots.signer().not_after().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.expiry.set(i64::try_from(expiry.as_secs()).unwrap_or(i64::MAX));
    }

    pub(super) fn census(&self, census: &Census) {
        for (state, count) in [("expected", census.total), ("done", census.done)] {
            self.proxies.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

/// As it is shown.
pub(super) fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Steady { .. } => "Steady",
        Phase::Publishing { .. } => "Publishing",
        Phase::Turning { .. } => "Turning",
    }
}
