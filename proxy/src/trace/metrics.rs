//! What becomes of spans.

use isthmus_runtime::metrics::{Maker, from_zero};
use prometheus::{IntCounter, Registry};

/// Every recorded span ends in exactly one of these.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// The collector has taken it.
    pub(super) exported: IntCounter,
    /// The queue was full: the collector is slower than the traffic, or gone.
    pub(super) dropped_queue: IntCounter,
    /// The collector couldn't be reached for too long, or the process ended before it could.
    pub(super) dropped_export: IntCounter,
    /// The collector won't have it.
    pub(super) rejected: IntCounter,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let spans =
            Maker(registry).counters("trace_spans_total", "Spans recorded, by what became of them.", &["outcome"])?;
        const OUTCOMES: [&str; 4] = ["exported", "dropped-queue", "dropped-export", "rejected"];
        from_zero(&spans, &OUTCOMES.each_ref().map(std::slice::from_ref));
        let [exported, dropped_queue, dropped_export, rejected] =
            OUTCOMES.map(|outcome| spans.with_label_values(&[outcome]));
        Ok(Self { exported, dropped_queue, dropped_export, rejected })
    }
}
