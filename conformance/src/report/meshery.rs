//! Results as Meshery's server keeps those of SMI conformance: one entry for each group, with its capability.

use serde::Serialize;

use super::{CaseResult, Report};
use crate::case::Demand;

#[derive(Serialize)]
struct Results<'a> {
    id: &'a str,
    date: &'a str,
    mesh_name: &'a str,
    mesh_version: &'a str,
    cases_passed: String,
    passing_percentage: String,
    status: &'static str,
    more_details: Vec<Detail>,
}

#[derive(Serialize)]
struct Detail {
    smi_specification: String,
    smi_version: &'static str,
    time: String,
    assertions: String,
    result: String,
    reason: String,
    capability: &'static str,
    status: &'static str,
}

pub(super) fn render(report: &Report) -> String {
    let demanded: Vec<&CaseResult> = report.results.iter().filter(|r| r.demand == Demand::Required).collect();
    let passed = demanded.iter().filter(|r| r.passed()).count();
    let id = format!("{}-{}", report.profile, report.began);
    let results = Results {
        id: &id,
        date: &report.began,
        mesh_name: &report.mesh,
        mesh_version: &report.version,
        cases_passed: passed.to_string(),
        passing_percentage: format!("{:.2}", percent(passed, demanded.len())),
        status: "completed",
        more_details: report.groups().into_iter().filter_map(|(group, results)| detail(group, &results)).collect(),
    };
    serde_json::to_string_pretty(&results).unwrap_or_default() + "\n"
}

/// Of what is demanded; a group that demands nothing has no capability to be told.
fn detail(group: &str, results: &[&CaseResult]) -> Option<Detail> {
    let demanded: Vec<&&CaseResult> = results.iter().filter(|r| r.demand == Demand::Required).collect();
    let failed: Vec<&&&CaseResult> = demanded.iter().filter(|r| !r.passed()).collect();
    let passed = demanded.len() - failed.len();
    let seconds: f64 = results.iter().map(|r| r.took.as_secs_f64()).sum();
    let reasons: Vec<String> = failed.iter().map(|r| format!("{}: {}", r.id, r.why().trim_end())).collect();
    (!demanded.is_empty()).then(|| Detail {
        smi_specification: format!("traffic-{group}"),
        smi_version: version(group),
        time: format!("{seconds:.1}s"),
        assertions: demanded.len().to_string(),
        result: if failed.is_empty() { "All test passed".to_owned() } else { format!("{} failed", failed.len()) },
        reason: reasons.join("\n"),
        capability: match passed {
            _ if failed.is_empty() => "Full",
            0 => "None",
            _ => "Partial",
        },
        status: if failed.is_empty() { "passed" } else { "failed" },
    })
}

/// The specification's release, and the version of the API in it.
fn version(group: &str) -> &'static str {
    match group {
        "access" => "v0.6.0/v1alpha3",
        "specs" | "split" => "v0.6.0/v1alpha4",
        "metrics" => "v0.6.0/v1alpha1",
        _ => "v0.6.0",
    }
}

#[expect(clippy::cast_precision_loss, reason = "the suite has far fewer than 2^52 cases")]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}
