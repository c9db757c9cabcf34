//! Objects that not every proxy has confirmed, and since when: for an alert.

use std::collections::BTreeMap;

use isthmus_k8s::status::Status;
use k8s_openapi::jiff::Timestamp;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use crate::fault::ObjectRef;

/// The conditions that proxies decide, and the reasons for which they don't hold yet.
const CONDITIONS: [&str; 2] = ["Programmed", "TrustPropagated"];
const REASONS: [&str; 2] = ["Pending", "Refused"];

/// Handles.
#[derive(Debug, Clone)]
pub(crate) struct WaitingMetrics {
    /// By `reason`.
    objects: IntGaugeVec,
    since: IntGauge,
}

impl WaitingMetrics {
    /// Registers them.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let objects = Opts::new(
            "isthmus_controller_unacknowledged_objects",
            "Objects that not every proxy concerned has confirmed, by why.",
        );
        let metrics = Self {
            objects: IntGaugeVec::new(objects, &["reason"])?,
            since: IntGauge::new(
                "isthmus_controller_unacknowledged_since_seconds",
                "Since when the longest of them waits, Unix time; 0: none does.",
            )?,
        };
        registry.register(Box::new(metrics.objects.clone()))?;
        registry.register(Box::new(metrics.since.clone()))?;
        metrics.show(&BTreeMap::new());
        Ok(metrics)
    }

    fn show(&self, all: &BTreeMap<ObjectRef, Wait>) {
        for reason in REASONS {
            let count = all.values().filter(|wait| wait.reason == reason).count();
            self.objects.with_label_values(&[reason]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.since.set(all.values().map(|wait| wait.since.as_second()).min().unwrap_or_default());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait {
    reason: &'static str,
    since: Timestamp,
}

/// Those that wait, as their statuses say. Few do at a time, so they are counted anew when one changes.
#[derive(Debug)]
pub(super) struct Waiting {
    metrics: WaitingMetrics,
    all: BTreeMap<ObjectRef, Wait>,
}

impl Waiting {
    pub(super) fn new(metrics: WaitingMetrics) -> Self {
        Self { metrics, all: BTreeMap::new() }
    }

    /// This is an object's status now.
    pub(super) fn take(&mut self, object: &ObjectRef, status: &Status) {
        let now = wait(status);
        let before = match now {
            Some(wait) => self.all.insert(object.clone(), wait),
            None => self.all.remove(object),
        };
        if before != now {
            self.metrics.show(&self.all);
        }
    }

    /// An object is gone.
    pub(super) fn forget(&mut self, object: &ObjectRef) {
        self.take(object, &Status::default());
    }

    /// Another replica writes, and tells.
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.metrics.show(&self.all);
    }
}

fn wait(status: &Status) -> Option<Wait> {
    let condition = CONDITIONS.iter().find_map(|kind| status.condition(kind)).filter(|c| c.status == "False")?;
    let reason = REASONS.into_iter().find(|reason| *reason == condition.reason)?;
    Some(Wait { reason, since: condition.last_transition_time.0 })
}

#[cfg(test)]
mod tests {
    use isthmus_core::id::ObjectName;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

    use super::*;
    use crate::fault::Kind;

    fn status(kind: &str, status: &str, reason: &str, at: i64) -> Status {
        let condition = Condition {
            type_: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::from_second(at).unwrap()),
        };
        Status { observed_generation: None, conditions: vec![condition] }
    }

    #[test]
    fn what_waits_is_counted_until_it_is_confirmed_or_gone() {
        let metrics = WaitingMetrics::register(&Registry::new()).unwrap();
        let seen = || {
            let [pending, refused] = REASONS.map(|reason| metrics.objects.with_label_values(&[reason]).get());
            (pending, refused, metrics.since.get())
        };
        let object = |name: &str| ObjectRef { kind: Kind::TrafficSplit, name: ObjectName::new("shop", name) };
        let mut waiting = Waiting::new(metrics.clone());
        assert_eq!(seen(), (0, 0, 0));
        waiting.take(&object("a"), &status("Programmed", "False", "Pending", 200));
        waiting.take(&object("b"), &status("TrustPropagated", "False", "Refused", 100));
        waiting.take(&object("c"), &status("Programmed", "False", "NotAccepted", 50));
        waiting.take(&object("d"), &status("Programmed", "True", "Programmed", 50));
        assert_eq!(seen(), (1, 1, 100), "what isn't accepted waits for its author");
        waiting.take(&object("b"), &status("TrustPropagated", "True", "TrustPropagated", 300));
        assert_eq!(seen(), (1, 0, 200));
        waiting.forget(&object("a"));
        assert_eq!(seen(), (0, 0, 0));
        waiting.take(&object("a"), &status("Programmed", "False", "Pending", 400));
        waiting.clear();
        assert_eq!(seen(), (0, 0, 0));
    }
}
