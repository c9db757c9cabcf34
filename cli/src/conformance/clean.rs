//! `isthmus conformance clean`: what a run has left that could not clean up itself.

use std::process::ExitCode;

use clap::Args;
use isthmus_conformance::run;

use crate::{cluster::ClusterArgs, roles, stdout};

#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) fn run(args: &CleanArgs) -> anyhow::Result<ExitCode> {
    roles::on_one_thread(async {
        let count = run::clean(&args.cluster.client().await?, None).await?;
        stdout::say(&format!("{count} namespaces deleted\n"))?;
        Ok(ExitCode::SUCCESS)
    })
}
