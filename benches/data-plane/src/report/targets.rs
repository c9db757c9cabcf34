//! What the data plane promises, held against the results.

use std::fmt;

use super::{Row, cases, find};
use crate::{case::Case, peer::Peer};

/// Most CPU of the sidecars as a multiple of haproxy's, by case.
const CPU: [(Case, f64); 5] = [
    (Case::OneHopH1, 1.3),
    (Case::TwoHopMtlsH1, 1.0),
    (Case::TwoHopMtlsH2, 1.2),
    (Case::TwoHopMtlsGrpc, 1.2),
    (Case::TwoHopMtlsTcp, 0.8),
];
/// Most p99 over two hops at the fixed rate as a multiple of haproxy's.
const P99: f64 = 1.5;
/// A figure of a row.
type Of = fn(&Row) -> f64;
/// Most memory of a sidecar in MiB: idle, with 100, with 1,000 connections.
const MEMORY: [(&str, Of, f64); 3] = [
    ("RSS idle", |row| row.rss_idle_mib, 12.0),
    ("RSS with 100 connections", |row| row.rss_loaded_mib, 20.0),
    ("RSS with 1,000 connections", |row| row.rss_1000_mib, 60.0),
];

/// One promise, and what was measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) case: Case,
    pub(super) what: String,
    pub(super) limit: f64,
    pub(super) measured: f64,
}

impl Target {
    pub(super) fn holds(&self) -> bool {
        self.measured <= self.limit
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds() { "holds " } else { "MISSED" };
        let Self { case, what, limit, measured } = self;
        write!(f, "{verdict} {:<18} {what}: {measured:.2}, at most {limit}", case.name())
    }
}

/// Every target that there are results for.
pub(super) fn check(rows: &[Row]) -> Vec<Target> {
    let mut targets = Vec::new();
    for case in cases(rows) {
        let Some(own) = find(rows, case, Peer::Isthmus) else { continue };
        if let Some(haproxy) = find(rows, case, Peer::Haproxy) {
            let limit = CPU.iter().find(|(of, _)| *of == case).map(|(_, limit)| *limit);
            targets.extend(limit.map(|limit| Target {
                case,
                what: "CPU / haproxy".into(),
                limit,
                measured: own.cpu() / haproxy.cpu(),
            }));
            if case == Case::TwoHopMtlsH1 {
                let measured = own.p99_us / haproxy.p99_us;
                targets.push(Target { case, what: "p99 / haproxy".into(), limit: P99, measured });
            }
        }
        for (what, of, limit) in MEMORY {
            targets.push(Target { case, what: format!("{what}, MiB"), limit, measured: of(own) });
        }
    }
    targets
}
