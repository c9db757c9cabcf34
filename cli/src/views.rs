//! Live views on the traffic. `top`, `edges` and `topology` stand on the SMI metrics API alone, so that they work on any mesh that
//! serves it; `tap` on this mesh's own.

pub(crate) mod api;
pub(crate) mod edges;
mod figures;
mod gather;
pub(crate) mod kinds;
pub(crate) mod plugin;
mod quantity;
pub(crate) mod tap;
mod target;
pub(crate) mod top;
pub(crate) mod topology;
mod watch;

use std::process::ExitCode;

use clap::Subcommand;

use crate::args::LogArgs;
pub(crate) use api::Fault;

/// What `isthmus` and `kubectl traffic` have in common.
#[derive(Debug, Subcommand)]
pub(crate) enum ViewCommand {
    /// Show success rate, requests per second and latency
    Top(top::TopArgs),
    /// Show who calls whom, and how that goes
    Edges(edges::EdgesArgs),
    /// Draw who calls whom: a tree in the terminal, or a picture
    Topology(topology::TopologyArgs),
    /// Show requests live, as they end
    Tap(tap::TapArgs),
}

pub(crate) fn run(log: &LogArgs, command: ViewCommand) -> anyhow::Result<ExitCode> {
    // What goes wrong is said in words of our own.
    log.for_command("off")?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        match command {
            ViewCommand::Top(args) => top::run(&args).await,
            ViewCommand::Edges(args) => edges::run(&args).await,
            ViewCommand::Topology(args) => topology::run(&args).await,
            ViewCommand::Tap(args) => tap::run(&args).await,
        }
    })
}
