//! What came of a run, and the forms in which it is told.

mod json;
mod junit;
mod markdown;
mod meshery;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Serialize;

use crate::case::{Case, Demand, Source};

/// A run: on which mesh, when, and what came of each case.
#[derive(Debug, Clone)]
pub struct Report {
    /// What people call the mesh.
    pub mesh: String,
    /// The profile's name.
    pub profile: String,
    /// The version of the suite.
    pub version: String,
    /// When it began, in RFC 3339.
    pub began: String,
    /// How long it took.
    pub took: Duration,
    /// In the order of the cases.
    pub results: Vec<CaseResult>,
}

/// What came of a case.
#[derive(Debug, Clone)]
pub struct CaseResult {
    /// The case's.
    pub id: String,
    /// The case's.
    pub group: String,
    /// The case's.
    pub title: String,
    /// The case's.
    pub demand: Demand,
    /// The case's.
    pub source: Source,
    /// How many steps it has.
    pub steps: usize,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// How a case ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Everything was as expected.
    Passed,
    /// Something wasn't.
    Failed(Box<Failure>),
    /// The mesh lacks what it needs: why.
    Skipped(String),
}

/// What wasn't as expected.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The step, from 1 on; 0 before the first.
    pub step: usize,
    /// In a sentence.
    pub why: String,
    /// The last requests.
    pub asked: Vec<Asked>,
    /// The objects that were applied, as the cluster has them, in YAML.
    pub objects: Vec<String>,
}

/// Requests, what was expected of them and what came.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// What was sent.
    pub request: String,
    /// What should have come.
    pub expected: String,
    /// What came.
    pub seen: String,
    /// Whether that is the same.
    pub as_expected: bool,
}

/// How a report is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people, on a terminal.
    Table,
    /// Everything, for programs.
    Json,
    /// For systems that show tests.
    Junit,
    /// For documents.
    Markdown,
    /// As Meshery has results of SMI conformance.
    Meshery,
}

impl Report {
    /// In the form asked for.
    pub fn render(&self, form: Form) -> String {
        match form {
            Form::Table => table::render(self),
            Form::Json => json::render(self),
            Form::Junit => junit::render(self),
            Form::Markdown => markdown::render(self),
            Form::Meshery => meshery::render(self),
        }
    }

    /// Did everything pass that the specification demands? What couldn't be tried hasn't.
    pub fn conforms(&self) -> bool {
        self.results.iter().filter(|r| r.demand == Demand::Required).all(CaseResult::passed)
    }

    /// `52 of 52 demanded, 6 of 6 recommended, 4 of 5 left open`.
    pub fn summary(&self) -> String {
        let of = |demand: Demand, word: &str| {
            let all = self.results.iter().filter(|r| r.demand == demand);
            let (passed, all) = all.fold((0, 0), |(passed, all), r| (passed + usize::from(r.passed()), all + 1));
            (all > 0).then(|| format!("{passed} of {all} {word}"))
        };
        let parts =
            [(Demand::Required, "demanded"), (Demand::Recommended, "recommended"), (Demand::Silent, "left open")];
        let parts: Vec<String> = parts.into_iter().filter_map(|(demand, word)| of(demand, word)).collect();
        if parts.is_empty() { "no case".to_owned() } else { parts.join(", ") }
    }

    /// The groups, in the order of their first cases.
    fn groups(&self) -> Vec<(&str, Vec<&CaseResult>)> {
        let mut groups: Vec<(&str, Vec<&CaseResult>)> = Vec::new();
        for result in &self.results {
            match groups.iter_mut().find(|(group, _)| *group == result.group) {
                Some((_, results)) => results.push(result),
                None => groups.push((&result.group, vec![result])),
            }
        }
        groups
    }
}

impl CaseResult {
    /// What a case came to, and after how long.
    pub fn new(case: &Case, outcome: Outcome, took: Duration) -> Self {
        Self {
            id: case.id.clone(),
            group: case.group().to_owned(),
            title: case.title.clone(),
            demand: case.demand,
            source: case.source.clone(),
            steps: case.steps.len(),
            outcome,
            took,
        }
    }

    /// Was everything as expected?
    pub fn passed(&self) -> bool {
        matches!(self.outcome, Outcome::Passed)
    }

    /// Why it didn't pass, in a sentence.
    pub fn reason(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Passed => None,
            Outcome::Skipped(why) => Some(why),
            Outcome::Failed(failure) => Some(&failure.why),
        }
    }

    /// Why it didn't pass, in lines.
    pub fn why(&self) -> String {
        match &self.outcome {
            Outcome::Passed => String::new(),
            Outcome::Skipped(why) => format!("skipped: {why}\n"),
            Outcome::Failed(failure) => failure.lines(),
        }
    }
}

impl Outcome {
    /// `passed`, `failed`, `skipped`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    /// What is left behind is a failure too.
    pub(crate) fn and_left(self, why: &str) -> Self {
        match self {
            Self::Passed => {
                Self::Failed(Box::new(Failure { why: format!("not cleaned up: {why}"), ..Failure::default() }))
            }
            other => other,
        }
    }
}

impl Failure {
    fn lines(&self) -> String {
        let mut lines = match self.step {
            0 => format!("before the first step: {}\n", self.why),
            step => format!("step {step}: {}\n", self.why),
        };
        for asked in &self.asked {
            let mark = if asked.as_expected { "✓" } else { "✗" };
            lines += &format!(
                "  {mark} {}\n      expected: {}\n      came:     {}\n",
                asked.request, asked.expected, asked.seen
            );
        }
        lines
    }
}
