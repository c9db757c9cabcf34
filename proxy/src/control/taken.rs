//! Which versions of what the controller has sent are in use, for metrics.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use isthmus_api::control::v1::{ResourceKey, resource_key::Kind};
use prometheus::IntGaugeVec;

use super::Metrics;

/// What was taken over, and what was refused.
pub(super) struct Taken {
    versions: HashMap<&'static str, String>,
    /// Those whose newest version was refused.
    refused: Vec<ResourceKey>,
    info: IntGaugeVec,
    at: IntGaugeVec,
    refusals: IntGaugeVec,
}

impl Taken {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            versions: HashMap::new(),
            refused: Vec::new(),
            info: metrics.policy.clone(),
            at: metrics.policy_applied.clone(),
            refusals: metrics.policy_refused.clone(),
        }
    }

    /// A version is in use. Of destinations there are many, so only the time of the last is told.
    pub(super) fn applied(&mut self, key: &ResourceKey, version: &str, now: SystemTime) {
        let Some(resource) = name_of(key) else { return };
        self.given_up(key);
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.at.with_label_values(&[resource]).set(i64::try_from(now).unwrap_or(i64::MAX));
        if matches!(key.kind, Some(Kind::Destination(_))) {
            return;
        }
        let before = self.versions.insert(resource, version.to_owned());
        if let Some(before) = before.filter(|before| before != version) {
            // One that isn't there has gone already.
            let _ = self.info.remove_label_values(&[resource, &before]);
        }
        self.info.with_label_values(&[resource, version]).set(1);
    }

    /// A version was refused.
    pub(super) fn refused(&mut self, key: &ResourceKey) {
        if !self.refused.contains(key) {
            self.refused.push(key.clone());
        }
        self.count(key);
    }

    /// It isn't wanted any more, or was mended.
    pub(super) fn given_up(&mut self, key: &ResourceKey) {
        self.refused.retain(|refused| refused != key);
        self.count(key);
    }

    fn count(&self, key: &ResourceKey) {
        let Some(resource) = name_of(key) else { return };
        let refused = self.refused.iter().filter(|refused| name_of(refused) == Some(resource)).count();
        self.refusals.with_label_values(&[resource]).set(i64::try_from(refused).unwrap_or(i64::MAX));
    }
}

fn name_of(key: &ResourceKey) -> Option<&'static str> {
    Some(match key.kind.as_ref()? {
        Kind::Bundles(_) => "bundles",
        Kind::Inbound(_) => "inbound",
        Kind::Destination(_) => "destination",
        Kind::Gateway(_) => "gateway",
        Kind::Telemetry(_) => "telemetry",
        // They come and go, and nobody waits for them.
        Kind::Taps(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use isthmus_api::encode;
    use isthmus_core::destination::DestinationKey;
    use prometheus::{Registry, TextEncoder};

    use super::*;

    #[test]
    fn what_is_in_use_is_told_and_nothing_of_what_was_before() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        let mut taken = Taken::new(&metrics);
        let (inbound, now) = (encode::inbound_key(), UNIX_EPOCH + std::time::Duration::from_secs(7));
        let db = encode::destination_key(&DestinationKey { host: "10.0.0.1".into(), port: 80 });
        taken.applied(&inbound, "v1", now);
        taken.applied(&inbound, "v2", now);
        taken.refused(&inbound);
        taken.refused(&db);
        taken.refused(&db);
        let text = || TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let has = |line: &str| text().lines().any(|l| l == line);
        assert!(has("isthmus_policy_info{resource=\"inbound\",version=\"v2\"} 1") && !text().contains("v1"));
        assert!(has("isthmus_policy_applied_timestamp_seconds{resource=\"inbound\"} 7"));
        assert!(has("isthmus_policy_refused{resource=\"inbound\"} 1"));
        assert!(has("isthmus_policy_refused{resource=\"destination\"} 1"));
        taken.applied(&inbound, "v3", now);
        taken.given_up(&db);
        assert!(has("isthmus_policy_refused{resource=\"inbound\"} 0"));
        assert!(has("isthmus_policy_refused{resource=\"destination\"} 0"));
    }
}
