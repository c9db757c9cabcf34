//! What a load saw.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// Failures that are kept whole; all are counted.
const KEPT: usize = 20;
/// Most names in a count by name.
const MAX_NAMES: usize = 256;

/// Who answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Served {
    /// Empty where the answer doesn't tell.
    pub(super) host: String,
    pub(super) version: String,
    /// Connections that had ended in an orderly way and were opened again for this exchange.
    pub(super) reopened: u64,
}

/// All loads' counts.
pub(super) struct Report {
    host: String,
    shutdown: CancellationToken,
    loads: Mutex<BTreeMap<String, Counts>>,
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    sent: u64,
    succeeded: u64,
    failed: u64,
    /// Of those that succeeded, begun after the signal to end.
    after_signal: u64,
    reopened: u64,
    slowest_ms: u64,
    hosts: BTreeMap<String, u64>,
    versions: BTreeMap<String, u64>,
    failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
struct Failure {
    /// When it had begun and how long it took.
    unix_ms: u128,
    took_ms: u128,
    id: String,
    why: String,
}

/// An exchange that goes on.
pub(super) struct Begun {
    at: Instant,
    wall: SystemTime,
    after_signal: bool,
}

impl Report {
    pub(super) fn new(host: &str, shutdown: CancellationToken) -> Self {
        Self { host: host.to_owned(), shutdown, loads: Mutex::default() }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn begin(&self, load: &str) -> Begun {
        self.loads.lock().entry(load.to_owned()).or_default().sent += 1;
        Begun { at: Instant::now(), wall: SystemTime::now(), after_signal: self.shutdown.is_cancelled() }
    }

    pub(super) fn end(&self, load: &str, begun: Begun, id: &str, outcome: anyhow::Result<Served>) {
        let took = begun.at.elapsed().as_millis();
        let mut loads = self.loads.lock();
        let counts = loads.entry(load.to_owned()).or_default();
        counts.slowest_ms = counts.slowest_ms.max(u64::try_from(took).unwrap_or(u64::MAX));
        match outcome {
            Ok(served) => {
                counts.succeeded += 1;
                counts.after_signal += u64::from(begun.after_signal);
                counts.reopened += served.reopened;
                count(&mut counts.hosts, served.host);
                count(&mut counts.versions, served.version);
            }
            Err(error) => {
                counts.failed += 1;
                if counts.failures.len() < KEPT {
                    let unix_ms = begun.wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
                    let why = format!("{error:#}");
                    counts.failures.push(Failure { unix_ms, took_ms: took, id: id.to_owned(), why });
                }
            }
        }
    }

    /// One line.
    pub(super) fn json(&self, ended: bool) -> String {
        let signalled = self.shutdown.is_cancelled();
        serde_json::json!({ "host": self.host, "signalled": signalled, "ended": ended, "loads": *self.loads.lock() })
            .to_string()
    }

    /// Replaces the file, so that a reader never sees half of it.
    pub(super) fn write(&self, path: &Path, ended: bool) -> io::Result<()> {
        let fresh = path.with_extension("new");
        fs::write(&fresh, self.json(ended))?;
        fs::rename(fresh, path)
    }
}

fn count(names: &mut BTreeMap<String, u64>, name: String) {
    if !name.is_empty() && (names.len() < MAX_NAMES || names.contains_key(&name)) {
        *names.entry(name).or_default() += 1;
    }
}
