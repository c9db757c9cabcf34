//! A table for documents.

use super::Report;

pub(super) fn render(report: &Report) -> String {
    let mut out = format!(
        "{} {}: {}. {}, in {:.0} s.\n",
        report.mesh,
        report.version,
        if report.conforms() {
            "everything that the specification demands passed"
        } else {
            "**not everything that the specification demands passed**"
        },
        report.summary(),
        report.took.as_secs_f64()
    );
    for (group, results) in report.groups() {
        out += &format!("\n### {group}\n| case | what holds | by | demand | result |\n|---|---|---|---|---|\n");
        for result in results {
            out += &format!(
                "| `{}` | {} | {}, {}: {} | {} | {} |\n",
                result.id,
                cell(&result.title),
                cell(&result.source.page),
                cell(&result.source.section),
                cell(&result.source.says),
                result.demand,
                result.outcome.word()
            );
        }
    }
    for result in report.results.iter().filter(|result| !result.passed()) {
        out += &format!("\n`{}`:\n```text\n{}```\n", result.id, result.why());
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
