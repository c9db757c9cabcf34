//! `isthmus federation revoke`: ends the relation with a mesh, and shows what that did.

mod receipt;

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use isthmus_core::federation::MeshName;
use isthmus_k8s::federation::MeshPeer;
use kube::api::DeleteParams;
use parking_lot::Mutex;

use super::{
    target::{Side, Target},
    waiting::{self, Look},
};
use crate::{
    args::{Output, Usage},
    output,
    progress::Progress,
};
pub(crate) use receipt::Receipt;

/// The controller gives proxies half a minute to confirm, and then says who hasn't.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The peer
    mesh: MeshName,
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    target: Target,
    /// How to print the receipt
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

pub(super) async fn run(args: &RevokeArgs) -> anyhow::Result<ExitCode> {
    let side = args.target.side().await?;
    if !args.yes {
        confirm(&side, &args.mesh)?;
    }
    let progress = super::progress(args.output);
    let receipt = revoke(&side, &args.mesh, &progress).await?;
    output::print_one(args.output, &receipt, Receipt::text)?;
    Ok(if receipt.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Deletes the peer, and waits for the controller's receipt.
pub(crate) async fn revoke(side: &Side, mesh: &MeshName, progress: &Progress) -> anyhow::Result<Receipt> {
    let api = side.all::<MeshPeer>();
    if api.get_opt(mesh.as_str()).await?.is_none() {
        bail!("{} has no peer {mesh}; `isthmus federation status` lists its peers", side.mesh);
    }
    api.delete(mesh.as_str(), &DeleteParams::default()).await.with_context(|| format!("deleting MeshPeer {mesh}"))?;
    // The controller writes the receipt into the status, and lets the object go then: the last that is seen of it has it.
    let last = Mutex::new(None);
    let look = || async {
        let Some(peer) = api.get_opt(mesh.as_str()).await? else { return Ok(Look::Done(())) };
        let revocation = peer.status.and_then(|status| status.revocation);
        let written = revocation.is_some();
        if written {
            *last.lock() = revocation;
        }
        Ok(Look::Because(if written {
            "the controller hasn't let the MeshPeer go".to_owned()
        } else {
            "proxies haven't all confirmed; a controller must run".to_owned()
        }))
    };
    waiting::until(progress, &format!("{mesh} revoked in every proxy"), PATIENCE, look).await?;
    let text = last.into_inner();
    Receipt::read(side.mesh.as_str(), mesh.as_str(), text.as_deref())
}

fn confirm(side: &Side, mesh: &MeshName) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Usage(anyhow!("nobody can be asked here: give --yes to revoke {mesh} without a question")).into());
    }
    print!(
        "Revoke {mesh}? Its workloads lose access to {}, and the other way round; open connections are cut. [y/N] ",
        side.mesh
    );
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("nothing was done");
    }
    Ok(())
}
