//! A part of the SMI conformance suite, small enough for the demo. All of it: `isthmus conformance run`.

use isthmus_conformance::report::Report;
use kube::Client;

use super::steps::{Row, Verdict};
use crate::conformance;

/// One case of each group that the specification demands, and that needs few pods.
const CASES: [&str; 3] = ["access-denied-by-default", "specs-path-begins-with", "split-weights-shift"];

pub(super) async fn row(client: &Client) -> Row {
    Row::of("SMI conformance: three of its cases", conformance::summary(client, &CASES).await.map(verdict))
}

fn verdict(report: Report) -> Verdict {
    let count = CASES.len();
    let failed = report.results.iter().find_map(|result| Some(format!("{}: {}", result.id, result.reason()?)));
    Verdict::equal(format!("{count} of {count} demanded"), failed.unwrap_or_else(|| report.summary()))
}
