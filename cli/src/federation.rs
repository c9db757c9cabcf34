//! `isthmus federation`: meshes are joined, looked after, and parted.

mod check;
pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod revoke;
mod rotate_root;
mod status;
mod target;
mod waiting;

use std::process::ExitCode;

use clap::Subcommand;

use crate::{
    args::{LogArgs, Output},
    progress::Progress,
};
pub(crate) use target::Side;
#[cfg(feature = "conformance")]
pub(crate) use target::{PeerArgs, Target};

#[derive(Debug, Subcommand)]
pub(crate) enum FederationCommand {
    /// Make an invitation: one text that lets one mesh join this one, once
    Invite(invite::InviteArgs),
    /// Take an invitation up
    Join(join::JoinArgs),
    /// Show this side: its hub, its peers, what is exported and imported
    Status(status::StatusArgs),
    /// Walk the way to the peers step by step, and say at the first fault what to do
    Check(check::CheckArgs),
    /// End the relation with a mesh: trust and imports are withdrawn, open connections are cut
    Revoke(revoke::RevokeArgs),
    /// Have a new root made for this mesh, and follow it until it is the only one
    RotateRoot(rotate_root::RotateRootArgs),
}

pub(crate) fn run(log: &LogArgs, command: FederationCommand) -> anyhow::Result<ExitCode> {
    log.for_command("error")?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        match command {
            FederationCommand::Invite(args) => invite::run(&args).await,
            FederationCommand::Join(args) => join::run(&args).await,
            FederationCommand::Status(args) => status::run(&args).await,
            FederationCommand::Check(args) => check::run(&args).await,
            FederationCommand::Revoke(args) => revoke::run(&args).await,
            FederationCommand::RotateRoot(args) => rotate_root::run(&args).await,
        }
    })
}

/// Steps are for people; programs read stdout.
fn progress(output: Output) -> Progress {
    if output == Output::Table { Progress::new("") } else { Progress::to_stderr() }
}
