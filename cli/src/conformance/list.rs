//! `isthmus conformance list`: the cases, and what each checks.

use std::process::ExitCode;

use clap::Args;
use isthmus_conformance::case::{Case, Demand};
use serde::Serialize;

use super::SelectArgs;
use crate::{args::Output, output};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// How to print them
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Serialize)]
struct Row {
    id: String,
    group: String,
    demand: Demand,
    title: String,
    page: String,
    section: String,
    says: String,
    needs: Vec<String>,
}

pub(super) fn run(args: &ListArgs) -> anyhow::Result<ExitCode> {
    print(&args.select.cases()?, args.output)
}

/// Also what `run --list` prints.
pub(super) fn print(cases: &[Case], form: Output) -> anyhow::Result<ExitCode> {
    let rows: Vec<Row> = cases.iter().map(row).collect();
    output::print(
        form,
        &rows,
        &[
            ("CASE", |r: &Row| r.id.clone()),
            ("DEMAND", |r| r.demand.to_string()),
            ("TITLE", |r| r.title.clone()),
            ("BY", |r| format!("{}, {}", r.page, r.section)),
        ],
    )?;
    Ok(ExitCode::SUCCESS)
}

fn row(case: &Case) -> Row {
    Row {
        id: case.id.clone(),
        group: case.group().to_owned(),
        demand: case.demand,
        title: case.title.clone(),
        page: case.source.page.clone(),
        section: case.source.section.clone(),
        says: case.source.says.clone(),
        needs: case.needs.clone(),
    }
}
