//! `isthmus federation revoke`: ends the relation with a mesh, and shows what that did.

mod receipt;

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use futures::TryStreamExt;
use isthmus_core::federation::MeshName;
use isthmus_federation::invitation::Invitation;
use isthmus_k8s::federation::{
    MeshPeer,
    invitation::{self, State},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, WatchEvent, WatchParams},
};

use super::target::{Side, Target};
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
    let Some(peer) = api.get_opt(mesh.as_str()).await? else {
        bail!("{} has no peer {mesh}; `isthmus federation status` lists its peers", side.mesh);
    };
    api.delete(mesh.as_str(), &DeleteParams::default()).await.with_context(|| format!("deleting MeshPeer {mesh}"))?;
    let version = peer.resource_version().unwrap_or_default();
    let gone = async {
        tokio::time::timeout(PATIENCE, gone(&api, mesh, &version)).await.unwrap_or_else(|_| {
            bail!(
                "MeshPeer {mesh} is still there after {} s, though what it allows ended with its deletion: does a controller run? \
                 `kubectl get pods -n {}` tells",
                PATIENCE.as_secs(),
                side.namespace
            )
        })
    };
    let receipt = progress.step(&format!("{mesh} revoked in every proxy"), gone).await?;
    if let Some(invitation) = peer.spec.invitation {
        // It lets nobody in any more. It may have been deleted already.
        let secrets: Api<Secret> = Api::namespaced(side.client.clone(), &side.namespace);
        if let Ok(Some(secret)) = secrets.get_opt(&invitation).await
            && is_over(&secret, SystemTime::now())
        {
            let _ = secrets.delete(&invitation, &DeleteParams::default()).await;
        }
    }
    Receipt::read(side.mesh.as_str(), mesh.as_str(), receipt.as_deref())
}

/// Until it has expired, what says that it was used here stays: who takes it up again is told so.
fn is_over(secret: &Secret, now: SystemTime) -> bool {
    let used = invitation::Side::of(secret) == Some(invitation::Side::Joiner) && State::of(secret) == Some(State::Used);
    let invitation = invitation::text(secret).and_then(|text| Invitation::parse(text).ok());
    !used || invitation.is_none_or(|invitation| invitation.has_expired(now))
}

/// Waits for the object's end. The controller writes the receipt into its status, and lets it go then.
async fn gone(api: &Api<MeshPeer>, mesh: &MeshName, version: &str) -> anyhow::Result<Option<String>> {
    let only = WatchParams::default().fields(&format!("metadata.name={mesh}"));
    let mut events = std::pin::pin!(api.watch(&only, version).await?);
    let receipt = |peer: MeshPeer| peer.status.and_then(|status| status.revocation);
    let mut last = None;
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Added(peer) | WatchEvent::Modified(peer) => last = receipt(peer).or(last),
            WatchEvent::Deleted(peer) => return Ok(receipt(peer).or(last)),
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => bail!("watching MeshPeer {mesh}: {}", status.message),
        }
    }
    bail!("the API server ended the watch of MeshPeer {mesh}; `isthmus federation status` says whether it is gone")
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

#[cfg(test)]
mod tests;
