//! `isthmus migrate` and `isthmus export`: thin shells round `isthmus-migrate`.

mod cluster;
mod files;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use isthmus_migrate::{self as migrate, Outcome, export};
use serde_json::Value;

use crate::{
    args::{LogArgs, Usage},
    cluster::ClusterArgs,
    stdout,
};

/// Something is left to do by hand.
const LEFT: u8 = 2;

#[derive(Debug, Clone, Args)]
pub(crate) struct MigrateArgs {
    /// Manifests to read: a file, a folder of .yaml, .yml and .json, or - for standard input. May be repeated
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The mesh that SMI objects were written for, which says how they are read
    #[arg(long, value_enum, default_value = "auto")]
    from: From,
    #[command(flatten)]
    to: To,
}

/// What is printed, and where.
#[derive(Debug, Clone, Args)]
struct To {
    /// How objects are printed
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Form,
    /// Write what is left out, and what to know, to a file as JSON too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Documents, one after the other
    Yaml,
    /// One list
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// Find out by what is in the input
    Auto,
    /// Linkerd, with linkerd-smi
    Linkerd,
    /// Open Service Mesh
    Osm,
    /// Traefik Mesh
    TraefikMesh,
    /// Gateway API
    GatewayApi,
    /// Any mesh that reads SMI as its specification says
    Smi,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// Print TrafficSplits as HTTPRoutes of their Services, and tell what has no counterpart
    GatewayApi(ExportArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ExportArgs {
    /// Manifests to read, with the Services of the splits; may be repeated [default: the cluster]
    #[arg(short, long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The port of Services that aren't among the manifests
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), requires = "files")]
    port: Option<u16>,
    /// Namespace of the cluster to read [default: the context's]
    #[arg(short, long, conflicts_with = "files")]
    namespace: Option<String>,
    /// Read all namespaces of the cluster
    #[arg(short = 'A', long, conflicts_with_all = ["files", "namespace"])]
    all_namespaces: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    to: To,
}

pub(crate) fn run(args: &MigrateArgs) -> anyhow::Result<ExitCode> {
    let documents = files::read(&args.files)?;
    let from = match args.from {
        From::Auto => migrate::From::Auto,
        From::Linkerd => migrate::From::Linkerd,
        From::Osm => migrate::From::Osm,
        From::TraefikMesh => migrate::From::TraefikMesh,
        From::GatewayApi => migrate::From::GatewayApi,
        From::Smi => migrate::From::Smi,
    };
    let outcome = migrate::migrate(&documents, from).map_err(|ambiguous| Usage(ambiguous.into()))?;
    let preface = match args.from {
        From::Auto => format!("SMI objects are read as {} does; --from says otherwise\n", outcome.reading.name()),
        _ => String::new(),
    };
    let plain: Vec<Vec<String>> = vec![Vec::new(); outcome.objects.len()];
    args.to.print(&preface, &outcome, &plain)
}

pub(crate) fn export(log: &LogArgs, command: ExportCommand) -> anyhow::Result<ExitCode> {
    let ExportCommand::GatewayApi(args) = command;
    let documents = if args.files.is_empty() {
        log.for_command("warn")?;
        cluster::read(&args.cluster, args.namespace.as_deref(), args.all_namespaces)?
    } else {
        files::read(&args.files)?
    };
    let options = export::Options { port: args.port, all_services: args.files.is_empty() };
    let exported = export::gateway_api(&documents, options);
    args.to.print("", &exported.outcome, &exported.caveats)
}

impl To {
    /// Objects to standard output, findings to standard error: so that the one can be piped while the other is read.
    fn print(&self, preface: &str, outcome: &Outcome, comments: &[Vec<String>]) -> anyhow::Result<ExitCode> {
        if let Some(path) = &self.report {
            let text = serde_json::to_string_pretty(outcome)? + "\n";
            std::fs::write(path, text).with_context(|| format!("--report {}", path.display()))?;
        }
        stdout::say(&match self.output {
            Form::Yaml => {
                let none: &[String] = &[];
                let comments = comments.iter().map(Vec::as_slice).chain(std::iter::repeat(none));
                migrate::yaml(outcome.objects.iter().zip(comments))?
            }
            Form::Json => pretty(&migrate::list(&outcome.objects))?,
        })?;
        isthmus_runtime::logging::say(format!("{preface}{outcome}").trim_end());
        Ok(if outcome.is_whole() { ExitCode::SUCCESS } else { ExitCode::from(LEFT) })
    }
}

fn pretty(value: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
