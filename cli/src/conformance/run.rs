//! `isthmus conformance run`.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant, SystemTime},
};

use clap::{Args, ValueEnum};
use isthmus_conformance::{
    case::Case,
    meshes::{Meshes, Parties, Side},
    profile::Profile,
    report::{self, CaseResult, Outcome, Report},
    run::{self, Event, Options},
};
use isthmus_runtime::{build, signals};
use k8s_openapi::jiff::Timestamp;
#[cfg(feature = "local")]
use kube::Client;

use super::{DEFAULT_PROFILE, SelectArgs, docs, joined, list, profile};
use crate::{
    args::Output,
    federation::{PeerArgs, Target},
    progress::Progress,
    stdout,
};

/// As what a program ended that SIGINT has ended.
const INTERRUPTED: u8 = 130;
/// The suite's program, as the embedded cluster knows it.
const IMAGE: &str = "isthmus/app";
/// How long an expectation may take to hold.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Most cases at a time where nobody says how many.
const MOST_AT_ONCE: usize = 8;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    peer: PeerArgs,
    #[command(flatten)]
    select: SelectArgs,
    /// What is peculiar to the mesh: isthmus, linkerd, osm, traefik-mesh, nginx-service-mesh, generic, or a file of your own
    #[arg(short, long, default_value = DEFAULT_PROFILE)]
    profile: String,
    /// Image of the suite's program: one that runs `isthmus app`
    #[arg(long, value_name = "IMAGE", default_value = IMAGE)]
    app_image: String,
    /// How many cases at a time [default: two for each core, 8 at most]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: Option<u16>,
    /// Seconds within which what is expected has to hold
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Leave the namespaces of failed cases, to be looked at
    #[arg(long)]
    keep: bool,
    /// List the cases that would be run
    #[arg(long, conflicts_with = "dry_run")]
    list: bool,
    /// Print the objects that each case would begin with, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// How to print the results
    #[arg(short, long, value_enum, default_value = "table")]
    output: Form,
    /// Write the results into a page of documentation too, between its markers
    #[arg(long, value_name = "FILE", hide = true)]
    docs: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Table,
    /// Everything, for programs
    Json,
    /// For systems that show tests
    Junit,
    /// For documents
    Markdown,
    /// As Meshery keeps results
    Meshery,
}

pub(super) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let (cases, profile) = (args.select.cases()?, profile(&args.profile)?);
    if args.list {
        return list::print(&cases, Output::Table);
    }
    let options = args.options();
    // Without a peer nobody need be asked what its names are.
    let named = args.peer.target(&args.target).is_some();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        if args.dry_run {
            let meshes = async || joined::meshes(&args.target, &args.peer, &profile).await;
            let parties = if named { meshes().await?.parties } else { Parties::default() };
            stdout::say(&plans(&cases, &profile, &parties, &options)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let shutdown = signals::shutdown_token()?;
        let meshes = joined::meshes(&args.target, &args.peer, &profile).await?;
        let progress = if args.output == Form::Table { Progress::new("") } else { Progress::to_stderr() };
        if !profile.note.is_empty() {
            progress.say(&format!("{}: {}", profile.title, profile.note.trim()));
        }
        let tried = shutdown.run_until_cancelled(tried(&progress, &meshes, &profile, &cases, &options)).await;
        // What is still there, and on its way out: the next run shall not meet it.
        let cleaned = if args.keep { None } else { Some(run::clean(&meshes, Some(&options.run)).await) };
        let Some(report) = tried else {
            progress.say("\nInterrupted.");
            cleaned.transpose()?;
            return Ok(ExitCode::from(INTERRUPTED));
        };
        let text = report.render(args.output.into());
        stdout::say(&if args.output == Form::Table { format!("\n{text}") } else { text })?;
        if let Some(page) = &args.docs {
            docs::write(page, &report.render(report::Form::Markdown))?;
        }
        cleaned.transpose()?;
        Ok(if report.conforms() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Some of the suite's cases on a mesh that is already there, for the demo.
#[cfg(feature = "local")]
pub(crate) async fn summary(client: &Client, filter: &[&str]) -> anyhow::Result<Report> {
    let select = SelectArgs { filter: filter.iter().map(|&text| text.to_owned()).collect(), ..SelectArgs::default() };
    let options = Options { parallel: at_once(), ..options(IMAGE, TIMEOUT) };
    let meshes = Meshes::one(client.clone());
    let report = tried(&Progress::silent(), &meshes, &profile(DEFAULT_PROFILE)?, &select.cases()?, &options).await;
    run::clean(&meshes, Some(&options.run)).await?;
    Ok(report)
}

async fn tried(progress: &Progress, meshes: &Meshes, profile: &Profile, cases: &[Case], options: &Options) -> Report {
    let (began, begun) = (Timestamp::now(), Instant::now());
    let ended = AtomicUsize::new(0);
    let tell = |event: Event<'_>| {
        if let Event::Ended(result) = event {
            let number = ended.fetch_add(1, Ordering::Relaxed) + 1;
            say(progress, result, &format!("[{number}/{}] ", cases.len()));
        }
    };
    let results = run::run(meshes, profile, cases, options, &tell).await;
    Report {
        results,
        mesh: profile.title.clone(),
        profile: profile.name.clone(),
        version: build::VERSION.to_owned(),
        began: began.to_string(),
        took: begun.elapsed(),
    }
}

fn say(progress: &Progress, result: &CaseResult, number: &str) {
    let what = format!("{number}{}", result.id);
    match &result.outcome {
        Outcome::Skipped(why) => progress.say(&format!("  - {what}: skipped: {why}")),
        Outcome::Passed => progress.ended(true, &what, result.took),
        Outcome::Failed(failure) => {
            progress.ended(false, &what, result.took);
            progress.say(&format!("      {}", failure.why));
        }
    }
}

fn plans(cases: &[Case], profile: &Profile, parties: &Parties, options: &Options) -> anyhow::Result<String> {
    let mut out = String::new();
    for case in cases {
        out += &format!("# {}: {}\n", case.id, case.title);
        match run::plan(case, profile, parties, options) {
            Ok(objects) => {
                for (side, object) in objects {
                    let place = if side == Side::Peer { "# in the peer\n" } else { "" };
                    out += &format!("---\n{place}{}", serde_saphyr::to_string(&object)?);
                }
            }
            Err(why) => out += &format!("# skipped: {why}\n"),
        }
    }
    Ok(out)
}

impl RunArgs {
    fn options(&self) -> Options {
        let parallel = self.parallel.map_or_else(at_once, usize::from);
        Options { parallel, keep: self.keep, ..options(&self.app_image, Duration::from_secs(self.timeout)) }
    }
}

fn options(image: &str, timeout: Duration) -> Options {
    // What tells runs apart that are under way at once; those that were, are gone.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let run = format!("{:04x}", (now.as_millis() ^ u128::from(std::process::id())) & 0xffff);
    Options { run, image: image.to_owned(), parallel: 1, timeout, keep: false }
}

fn at_once() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) * 2).min(MOST_AT_ONCE)
}

impl From<Form> for report::Form {
    fn from(form: Form) -> Self {
        match form {
            Form::Table => Self::Table,
            Form::Json => Self::Json,
            Form::Junit => Self::Junit,
            Form::Markdown => Self::Markdown,
            Form::Meshery => Self::Meshery,
        }
    }
}
