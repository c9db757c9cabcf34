//! `isthmus federation join`: takes an invitation up.

mod check;
mod joined;

use std::{
    io::Read,
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use isthmus_federation::invitation::Invitation;
use isthmus_k8s::federation::{
    HubRef, Mesh, MeshPeer, MeshPeerSpec, MeshSpec,
    invitation::{self, ERROR, Side as Of, State, secret_name},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{
    target::{Side, Target},
    waiting,
};
use crate::{
    args::{Output, Usage},
    output,
    progress::Progress,
};
pub(crate) use joined::Joined;

/// Both controllers, the hub and every proxy have their part in it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest invitation read from standard input, in bytes.
const LONGEST: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// What `isthmus federation invite` printed on the other side; - reads it from standard input
    invitation: String,
    #[command(flatten)]
    target: Target,
    /// How to print what was established
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

pub(super) async fn run(args: &JoinArgs) -> anyhow::Result<ExitCode> {
    let text = if args.invitation == "-" {
        let mut text = String::new();
        std::io::stdin().lock().take(LONGEST).read_to_string(&mut text).context("standard input")?;
        text
    } else {
        args.invitation.clone()
    };
    let invitation = Invitation::parse(&text).map_err(|error| Usage(anyhow!(error)))?;
    let side = args.target.side().await?;
    let joined = join(&side, &invitation, &super::progress(args.output)).await?;
    output::print_one(args.output, &joined, Joined::text)?;
    Ok(ExitCode::SUCCESS)
}

/// Joins the mesh that invites, and waits until this side's proxies trust it.
pub(crate) async fn join(side: &Side, invitation: &Invitation, progress: &Progress) -> anyhow::Result<Joined> {
    let begun = Instant::now();
    let terms = &invitation.terms;
    invitation.check_time(SystemTime::now())?;
    let peers = side.all::<MeshPeer>().list(&ListParams::default()).await?.items;
    let own = side.all::<Mesh>().get_opt(side.mesh.as_str()).await?;
    let name = secret_name(&invitation.id.to_string());
    check::may_join(&side.mesh, &side.trust_domain, own.as_ref(), &peers, &name, terms)?;
    let secrets: Api<Secret> = Api::namespaced(side.client.clone(), &side.namespace);
    let taken_up = secrets.get_opt(&name).await?.as_ref().and_then(State::of);
    check::is_unused(taken_up, &peers, terms)?;
    progress.step("this side agrees", agree(side, invitation, own.is_some())).await?;
    let peers: Api<MeshPeer> = side.all();
    let look = || async {
        let peer = peers
            .get_opt(terms.mesh.as_str())
            .await?
            .with_context(|| format!("MeshPeer {} was deleted", terms.mesh))?;
        if let Some(secret) = secrets.get_opt(&name).await?
            && matches!(State::of(&secret), Some(State::Refused | State::Expired))
        {
            let why = secret.annotations().get(ERROR).cloned().unwrap_or_else(|| "the invitation has expired".into());
            bail!(
                "{why}; `isthmus federation revoke {}` takes back what was written, then ask for a new invitation",
                terms.mesh
            );
        }
        Ok(joined::progress(&peer))
    };
    let peer = waiting::until(progress, &format!("joined with {}", terms.mesh), PATIENCE, look).await?;
    Ok(Joined::of(side.mesh.as_str(), terms, &peer, begun.elapsed()))
}

/// Waits until a side whose mesh has this peer is in touch with it, and its proxies trust it.
#[cfg(feature = "local")]
pub(crate) async fn wait_joined(side: &Side, peer: &str) -> anyhow::Result<()> {
    let peers: Api<MeshPeer> = side.all();
    let look = || async {
        let found = peers.get_opt(peer).await?;
        Ok(joined::progress(&found.with_context(|| format!("MeshPeer {peer} was deleted"))?))
    };
    waiting::until(&Progress::silent(), &format!("{} in touch with {peer}", side.mesh), PATIENCE, look).await.map(drop)
}

/// Writes what says that this side wants it: the invitation, the hub, the peer.
async fn agree(side: &Side, invitation: &Invitation, has_mesh: bool) -> anyhow::Result<()> {
    let (terms, id) = (&invitation.terms, invitation.id.to_string());
    let secrets: Api<Secret> = Api::namespaced(side.client.clone(), &side.namespace);
    let secret = invitation::secret(&side.namespace, &id, Of::Joiner, invitation.to_text().expose(), None);
    let written = secrets.create(&PostParams::default(), &secret).await;
    unless_there(written).context("writing the invitation's Secret")?;
    let address = terms.hub.first().context("the invitation names no hub; ask for a new one")?;
    let hub = HubRef { address: address.to_string(), identity: terms.hub_identity.to_string() };
    let meshes: Api<Mesh> = side.all();
    if has_mesh {
        let patch = Patch::Merge(json!({ "spec": { "hub": hub } }));
        meshes.patch(side.mesh.as_str(), &PatchParams::default(), &patch).await.map(drop)
    } else {
        let spec = MeshSpec {
            trust_domain: side.trust_domain.to_string(),
            hub: Some(hub),
            cluster: None,
            clusters: None,
            gateways: None,
            egress: None,
        };
        meshes.create(&PostParams::default(), &Mesh::new(side.mesh.as_str(), spec)).await.map(drop)
    }
    .with_context(|| format!("writing Mesh {}", side.mesh))?;
    let spec = MeshPeerSpec {
        trust_domain: terms.trust_domain.to_string(),
        bundle_digest: Some(terms.bundle.to_string()),
        invitation: Some(secret_name(&id)),
        flat_network: None,
        bundle_endpoint: None,
    };
    let written =
        side.all::<MeshPeer>().create(&PostParams::default(), &MeshPeer::new(terms.mesh.as_str(), spec)).await;
    unless_there(written).with_context(|| format!("writing MeshPeer {}", terms.mesh))
}

/// A second try finds what the first has written.
fn unless_there<T>(written: kube::Result<T>) -> kube::Result<()> {
    match written {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other.map(drop),
    }
}
