//! `isthmus federation status`: what one side knows of itself, its hub and its peers.

mod overview;
mod text;

use std::process::ExitCode;

use clap::Args;
use isthmus_k8s::federation::{ExportedService, ImportedService, Mesh, MeshPeer};
use isthmus_smi_controller::annotations::ROTATION;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt, api::ListParams};

use super::target::{Side, Target};
use crate::{args::Output, output};
use overview::Overview;

/// The Secret on which the controller says how far a rotation of the root is.
pub(super) const TRUST_SECRET: &str = "isthmus-trust";

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    target: Target,
    /// How to print it
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

pub(super) async fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let side = args.target.side().await?;
    output::print_one(args.output, &look(&side).await?, text::text)?;
    Ok(ExitCode::SUCCESS)
}

async fn look(side: &Side) -> anyhow::Result<Overview> {
    let everything = ListParams::default();
    let own = side.all::<Mesh>().get_opt(side.mesh.as_str()).await?;
    let peers = side.all::<MeshPeer>().list(&everything).await?.items;
    let exports = side.all::<ExportedService>().list(&everything).await?.items;
    let imports = side.all::<ImportedService>().list(&everything).await?.items;
    Ok(Overview::of((&side.mesh, &side.trust_domain), own.as_ref(), &peers, &exports, &imports, rotation(side).await?))
}

/// How far the rotation of the mesh's root is, in the controller's words.
pub(super) async fn rotation(side: &Side) -> anyhow::Result<Option<String>> {
    let secrets: Api<Secret> = Api::namespaced(side.client.clone(), &side.namespace);
    Ok(secrets.get_opt(TRUST_SECRET).await?.and_then(|secret| secret.annotations().get(ROTATION).cloned()))
}
