//! A few counters, in Prometheus' text form.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use isthmus_local_store::Stats;

#[derive(Default)]
pub(crate) struct Metrics {
    answers: [AtomicU64; 5],
    panics: AtomicU64,
    pub(crate) connections: AtomicU64,
}

impl Metrics {
    pub(crate) fn answered(&self, code: u16) {
        let class = usize::from(code / 100).saturating_sub(1);
        if let Some(counter) = self.answers.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn render(&self, store: &Stats) -> String {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, samples: &[(String, u64)]| {
            // Writing to a String can't fail.
            let _ = writeln!(out, "# TYPE {name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(out, "{name}{labels} {value}");
            }
        };
        let answers = self.answers.iter().zip(1..);
        let answers: Vec<_> =
            answers.map(|(n, class)| (format!("{{code=\"{class}xx\"}}"), n.load(Ordering::Relaxed))).collect();
        family("apiserver_requests_total", "counter", &answers);
        let one = |value: u64| [(String::new(), value)];
        let size = |value: usize| one(u64::try_from(value).unwrap_or(u64::MAX));
        family("apiserver_request_panics_total", "counter", &one(self.panics.load(Ordering::Relaxed)));
        family("apiserver_connections", "gauge", &one(self.connections.load(Ordering::Relaxed)));
        family("apiserver_storage_objects", "gauge", &size(store.objects));
        family("apiserver_watches", "gauge", &size(store.watches));
        family("apiserver_storage_revision", "counter", &one(store.revision));
        out
    }
}
