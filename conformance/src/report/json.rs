//! Everything, for programs.

use serde::Serialize;

use super::{Failure, Outcome, Report};
use crate::case::{Demand, Source};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    mesh: &'a str,
    profile: &'a str,
    version: &'a str,
    began: &'a str,
    seconds: f64,
    conforms: bool,
    summary: String,
    cases: Vec<Case<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Case<'a> {
    id: &'a str,
    group: &'a str,
    title: &'a str,
    demand: Demand,
    source: &'a Source,
    verdict: &'static str,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
}

pub(super) fn render(report: &Report) -> String {
    let cases = report.results.iter().map(|result| Case {
        id: &result.id,
        group: &result.group,
        title: &result.title,
        demand: result.demand,
        source: &result.source,
        verdict: result.outcome.word(),
        reason: result.reason(),
        seconds: seconds(result.took),
        failure: if let Outcome::Failed(failure) = &result.outcome { Some(failure) } else { None },
    });
    let run = Run {
        mesh: &report.mesh,
        profile: &report.profile,
        version: &report.version,
        began: &report.began,
        seconds: seconds(report.took),
        conforms: report.conforms(),
        summary: report.summary(),
        cases: cases.collect(),
    };
    // Maps of strings and numbers: there is nothing that JSON couldn't hold.
    serde_json::to_string_pretty(&run).unwrap_or_default() + "\n"
}

/// To the millisecond.
fn seconds(took: std::time::Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}
