//! A table for people, and below it what failed.

use super::{Outcome, Report};

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    let width = report.results.iter().map(|result| result.id.chars().count()).max().unwrap_or(0).max(4);
    out += &format!("{:width$}   {:11}   {:7}   TITLE\n", "CASE", "DEMAND", "RESULT");
    for result in &report.results {
        let word = result.outcome.word();
        out += &format!("{:width$}   {:11}   {word:7}   {}\n", result.id, result.demand, result.title);
    }
    for result in report.results.iter().filter(|result| !result.passed()) {
        out += &format!("\n{}: {}\n", result.id, result.title);
        out += &format!("  {}, {}: {}\n", result.source.page, result.source.section, result.source.says);
        out += &indented(&result.why());
        if let Outcome::Failed(failure) = &result.outcome
            && !failure.objects.is_empty()
        {
            out += "  with these objects:\n";
            out += &indented(&indented(&failure.objects.join("---\n")));
        }
    }
    out += &format!("\n{}, on {}, in {:.1} s\n", report.summary(), report.mesh, report.took.as_secs_f64());
    out
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
