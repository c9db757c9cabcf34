//! `isthmus top`: how much, how well and how fast, by item; of splits, what each backend really gets.

mod rows;

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{
    api::{Scope, Side},
    kinds::{self, Resource},
    target::{Place, Target},
    watch::{Screen, WatchArgs},
};
use crate::{args::Output, stdout};
use rows::Page;

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// What to look at
    #[arg(default_value = kinds::DEFAULT, value_parser = kinds::parser(), ignore_case = true)]
    resource: &'static Resource,
    /// Only this one
    name: Option<String>,
    #[command(flatten)]
    target: Target,
    /// Only what was measured there [default: as the mesh counts it]
    #[arg(long)]
    side: Option<Side>,
    /// What comes first
    #[arg(long, value_enum, default_value = "rps")]
    sort: Sort,
    #[command(flatten)]
    watch: WatchArgs,
    /// How to print it
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// What comes first in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// The busiest
    Rps,
    /// What fails most
    Success,
    /// The slowest, by the 99th percentile
    P99,
    /// By namespace and name
    Name,
}

pub(super) async fn run(args: &TopArgs) -> anyhow::Result<ExitCode> {
    let place = args.target.place(args.side).await?;
    let screen = Screen::of(&args.watch, args.output);
    let page = async || {
        let page = look(args, &place).await?;
        screen.draw(&page, |page| words(args, &place.scope, page, screen.colour()))
    };
    if args.watch.watch {
        return screen.keep(args.watch.interval, page).await;
    }
    stdout::say(&page().await?)?;
    Ok(ExitCode::SUCCESS)
}

async fn look(args: &TopArgs, place: &Place) -> anyhow::Result<Page> {
    let samples = match &args.name {
        Some(name) => place.api.get(args.resource, &place.scope, name).await?,
        None => place.api.list(args.resource, &place.scope).await?,
    };
    Ok(Page::of(samples, args.sort))
}

fn words(args: &TopArgs, scope: &Scope, page: &Page, colour: bool) -> String {
    if page.is_empty() {
        return args.target.nothing("traffic", args.resource, scope);
    }
    page.table(*scope == Scope::All && args.resource.namespaced, colour)
}
