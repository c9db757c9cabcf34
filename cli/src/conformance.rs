//! `isthmus conformance`: the SMI conformance suite against any mesh, as `isthmus-conformance` runs it.

mod clean;
mod docs;
mod joined;
mod list;
mod run;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use isthmus_conformance::{
    case::{self, Case, Demand},
    profile::{self, Profile},
    select::Selection,
};

use crate::args::{LogArgs, Usage};
#[cfg(feature = "local")]
pub(crate) use run::summary;

#[derive(Debug, Subcommand)]
pub(crate) enum ConformanceCommand {
    /// Run the suite's cases against the mesh of a cluster; exit 0 only if all passed that SMI demands
    Run(Box<run::RunArgs>),
    /// List the suite's cases, with the sentence of the specification that each checks
    List(list::ListArgs),
    /// Delete what a run that was killed has left in a cluster
    Clean(clean::CleanArgs),
}

/// Which cases.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SelectArgs {
    /// Only cases with this in their name, such as access-denied; may be repeated
    #[arg(short, long, value_name = "TEXT")]
    filter: Vec<String>,
    /// Only this group: access, specs, split…; may be repeated
    #[arg(short, long)]
    group: Vec<String>,
    /// Only what the specification says at least this strongly
    #[arg(long, value_enum)]
    demand: Option<Strength>,
    /// Cases of your own, from the YAML files of this folder, in place of the suite's
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Strength {
    /// It has to be so
    Required,
    /// It should be so
    Recommended,
    /// Everything, with what it leaves open
    Silent,
}

pub(crate) fn run(log: &LogArgs, command: ConformanceCommand) -> anyhow::Result<ExitCode> {
    log.for_command("error")?;
    match command {
        ConformanceCommand::Run(args) => run::run(&args),
        ConformanceCommand::List(args) => list::run(&args),
        ConformanceCommand::Clean(args) => clean::run(&args),
    }
}

impl SelectArgs {
    /// The cases that are asked for; that there is none is the command line's fault.
    fn cases(&self) -> anyhow::Result<Vec<Case>> {
        let demand = self.demand.map(|strength| match strength {
            Strength::Required => Demand::Required,
            Strength::Recommended => Demand::Recommended,
            Strength::Silent => Demand::Silent,
        });
        let selection = Selection { filters: self.filter.clone(), groups: self.group.clone(), demand };
        let library = match &self.cases {
            Some(folder) => case::of_folder(folder).map_err(|error| Usage(anyhow::anyhow!("--cases: {error}")))?,
            None => case::all()?,
        };
        let cases: Vec<Case> = library.into_iter().filter(|case| selection.has(case)).collect();
        if cases.is_empty() {
            return Err(Usage(anyhow::anyhow!("no case is like that; see `isthmus conformance list`")).into());
        }
        Ok(cases)
    }
}

/// A profile of the program by its name, or one of the user's by the path of its file.
fn profile(name: &str) -> anyhow::Result<Profile> {
    let path = Path::new(name);
    let of_file = path.extension().is_some() || name.contains('/');
    let read = if of_file {
        let text = std::fs::read_to_string(path).with_context(|| format!("--profile {name}"))?;
        Profile::read(&path.file_stem().unwrap_or_default().to_string_lossy(), &text)
    } else {
        Profile::named(name)
    };
    read.map_err(|error| Usage(anyhow::anyhow!("--{error}")).into())
}

/// What `--profile` is where it isn't given.
const DEFAULT_PROFILE: &str = profile::DEFAULT;
