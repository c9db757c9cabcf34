//! `docs/conformance.md` says what the library says.

use std::{collections::BTreeSet, fs, time::Duration};

use isthmus_conformance::{
    case::{self, Case},
    report::{CaseResult, Form, Outcome, Report},
};

const PAGE: &str = include_str!("../../docs/conformance.md");

fn between(from: &str, to: &str) -> Option<&'static str> {
    Some(PAGE.split_once(from)?.1.split_once(to)?.0)
}

/// The rows of cases, without what came of them.
fn rows(report: &str) -> BTreeSet<&str> {
    let rows = report.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| Some(row.trim_end_matches(" |").rsplit_once(" | ")?.0)).collect()
}

fn passed(case: &Case) -> CaseResult {
    CaseResult::new(case, Outcome::Passed, Duration::ZERO)
}

#[test]
fn the_report_is_of_the_cases_that_there_are() {
    let report = Report {
        mesh: String::new(),
        profile: String::new(),
        version: String::new(),
        began: String::new(),
        took: Duration::ZERO,
        results: case::all().unwrap().iter().map(passed).collect(),
    };
    let library = report.render(Form::Markdown);
    let (library, page) = (rows(&library), rows(between("<!-- results: begin", "<!-- results: end -->").unwrap()));
    let differ: Vec<_> = library.symmetric_difference(&page).collect();
    assert!(differ.is_empty(), "run `isthmus conformance run --docs docs/conformance.md`: {differ:#?}");
}

#[test]
fn cases_that_are_named_are_there() {
    let ids: BTreeSet<String> = case::all().unwrap().into_iter().map(|case| case.id).collect();
    let table = between("## What the specification leaves to be read", "\n## ").unwrap();
    let cells = table.lines().filter(|line| line.starts_with("| ")).filter_map(|row| row.split(" | ").nth(1));
    let named: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 50, "{named:?}");
    for id in named {
        assert!(ids.contains(id), "{id}");
    }
}

#[test]
fn the_example_is_a_case() {
    let example = between("```yaml\n# my-cases/shop-prices.yaml", "```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop-prices.yaml"), example).unwrap();
    assert_eq!(case::of_folder(folder.path()).unwrap().len(), 1);
    let file = folder.path().join("shop-prices.yaml");
    fs::write(&file, example.replace("to: catalog, path: /prices }", "to: catalogue, path: /prices }")).unwrap();
    let error = case::of_folder(folder.path()).unwrap_err().to_string();
    let told = error.rsplit_once('/').map(|(_, told)| told.to_owned()).unwrap_or_default();
    assert!(PAGE.contains(&format!("`my-cases/{told}`")), "{error}");
}
