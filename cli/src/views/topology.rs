//! `isthmus topology`: who calls whom, as a tree or a picture.

mod dot;
mod graph;
mod layout;
mod mermaid;
mod svg;
mod tree;

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{
    gather::gather,
    kinds::{self, Resource},
    target::Target,
    watch::{Screen, WatchArgs},
};
use crate::{
    args::{Output, Usage},
    stdout,
};
use graph::Graph;

#[derive(Debug, Args)]
pub(crate) struct TopologyArgs {
    /// What calls each other
    #[arg(long, default_value = kinds::DEFAULT, value_parser = kinds::parser(), ignore_case = true, value_name = "RESOURCE")]
    kind: &'static Resource,
    #[command(flatten)]
    target: Target,
    /// Leave out who is unknown: the cluster's probes, and who isn't in a mesh
    #[arg(long)]
    known: bool,
    #[command(flatten)]
    watch: WatchArgs,
    /// How to print it
    #[arg(short, long, value_enum, default_value = "tree")]
    output: Form,
}

/// How a topology is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people
    Tree,
    /// For Graphviz
    Dot,
    /// For programs
    Json,
    /// For both
    Yaml,
    /// For Markdown
    Mermaid,
    /// A picture
    Svg,
}

pub(super) async fn run(args: &TopologyArgs) -> anyhow::Result<ExitCode> {
    if args.kind == Resource::splits() {
        let instead = "splits call nobody: see `isthmus top trafficsplits` and `isthmus edges trafficsplits`";
        return Err(Usage(anyhow::anyhow!(instead)).into());
    }
    let place = args.target.place(None).await?;
    let form = match args.output {
        Form::Json => Output::Json,
        Form::Yaml => Output::Yaml,
        Form::Tree | Form::Dot | Form::Mermaid | Form::Svg => Output::Table,
    };
    let screen = Screen::of(&args.watch, form);
    let page = async || {
        let mut gathered = gather(&place, args.kind, None).await?;
        gathered.edges.retain(|edge| !(args.known && edge.edge.peer.name.is_empty()));
        let graph = Graph::of(gathered);
        let words = |graph: &Graph| match args.output {
            Form::Dot => dot::dot(graph),
            Form::Mermaid => mermaid::mermaid(graph),
            Form::Svg => svg::svg(graph),
            _ if graph.is_empty() => args.target.nothing("traffic", args.kind, &place.scope),
            _ => tree::tree(graph, screen.colour()),
        };
        screen.draw(&graph, words)
    };
    if args.watch.watch {
        return screen.keep(args.watch.interval, page).await;
    }
    stdout::say(&page().await?)?;
    Ok(ExitCode::SUCCESS)
}
