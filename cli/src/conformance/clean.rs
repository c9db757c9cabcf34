//! `isthmus conformance clean`: what a run has left that could not clean up itself.

use std::process::ExitCode;

use clap::Args;
use isthmus_conformance::{meshes::Meshes, run};

use crate::{cluster::ClusterArgs, federation::PeerArgs, roles, stdout};

#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    peer: PeerArgs,
}

pub(super) fn run(args: &CleanArgs) -> anyhow::Result<ExitCode> {
    roles::on_one_thread(async {
        let peer = match args.peer.cluster(&args.cluster) {
            Some(cluster) => Some(cluster.client().await?),
            None => None,
        };
        let meshes = Meshes { peer, ..Meshes::one(args.cluster.client().await?) };
        let count = run::clean(&meshes, None).await?;
        stdout::say(&format!("{count} namespaces deleted\n"))?;
        Ok(ExitCode::SUCCESS)
    })
}
