//! JUnit's XML, as the systems that show tests read it. A case that the specification doesn't demand is no failure there
//! either, but skipped with its reason.

use super::{CaseResult, Outcome, Report};
use crate::case::Demand;

pub(super) fn render(report: &Report) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (tests, failures, skipped) = counts(&report.results.iter().collect::<Vec<_>>());
    let seconds = report.took.as_secs_f64();
    out += &format!(
        "<testsuites name=\"SMI conformance of {}\" tests=\"{tests}\" failures=\"{failures}\" skipped=\"{skipped}\" time=\"{seconds:.3}\">\n",
        escaped(&report.mesh)
    );
    for (group, results) in report.groups() {
        let (tests, failures, skipped) = counts(&results);
        let seconds: f64 = results.iter().map(|result| result.took.as_secs_f64()).sum();
        out += &format!(
            "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" skipped=\"{skipped}\" time=\"{seconds:.3}\" timestamp=\"{}\">\n",
            escaped(group),
            escaped(&report.began)
        );
        results.into_iter().for_each(|result| out += &case(result));
        out += "  </testsuite>\n";
    }
    out + "</testsuites>\n"
}

fn case(result: &CaseResult) -> String {
    let head = format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
        escaped(&result.group),
        escaped(&result.id),
        result.took.as_secs_f64()
    );
    let why = escaped(&format!("{}\n{}", result.title, result.why()));
    match (&result.outcome, fails(result)) {
        (Outcome::Passed, _) => format!("{head}/>\n"),
        (_, true) => format!(
            "{head}>\n      <failure message=\"{}\">{why}</failure>\n    </testcase>\n",
            escaped(result.outcome.word())
        ),
        (_, false) => format!("{head}>\n      <skipped message=\"{why}\"/>\n    </testcase>\n"),
    }
}

fn fails(result: &CaseResult) -> bool {
    result.demand == Demand::Required && matches!(result.outcome, Outcome::Failed(_))
}

fn counts(results: &[&CaseResult]) -> (usize, usize, usize) {
    let failures = results.iter().filter(|result| fails(result)).count();
    let passed = results.iter().filter(|result| result.passed()).count();
    (results.len(), failures, results.len() - passed - failures)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' => out += "&#10;",
            // XML 1.0 has no way to write these.
            c if c.is_control() && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
