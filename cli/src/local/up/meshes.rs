//! `isthmus up --meshes`: a cluster for each mesh, all in one process, for their networks are joined.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use futures::future::{join_all, try_join_all};
use isthmus_federation::invitation::Invitation;
use isthmus_k8s::federation::{HubRef, Mesh, MeshPeer, MeshSpec};
use isthmus_local::Cluster;
use isthmus_smi_controller::install::{GATEWAY, HUB, HUB_PORT};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use tokio_util::sync::CancellationToken;

use super::{END_WITHIN, MeshName, Parts, Plan, Progress, StateDir, UpArgs, start_cluster, start_mesh};
use crate::{
    args::Usage,
    federation::{Side, invite::invite, join::join},
    local::mesh,
};

/// As many as there may be clusters.
const MOST: usize = 16;
/// Each is used at once.
const INVITATION_LIFETIME: Duration = Duration::from_secs(600);
/// How often it is looked whether one cluster alone shall end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One plan for each mesh, the hub's first.
pub(super) fn plans(
    args: &UpArgs,
    data_dir: impl Fn(&str) -> std::io::Result<Option<PathBuf>>,
) -> anyhow::Result<Vec<Plan>> {
    let names = &args.meshes;
    if names.len() > MOST {
        return Err(Usage(anyhow!("--meshes: {} of them; use at most {MOST}", names.len())).into());
    }
    let mut plans: Vec<Plan> = Vec::new();
    for (index, name) in (0..).zip(names) {
        if plans.iter().any(|plan| plan.state.name == *name) {
            return Err(Usage(anyhow!("--meshes: {name:?} is there twice; give each mesh a name of its own")).into());
        }
        plans.push(Plan {
            state: StateDir::new(name)?,
            index,
            data_dir: data_dir(name)?,
            mesh: Some(MeshName::of(name, true)),
            group: Some(args.name.clone()),
        });
    }
    Ok(plans)
}

/// Runs them until the shutdown; each may be ended before.
pub(super) async fn run(plans: &[Plan], join: bool, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let mut held = Vec::new();
    for plan in plans {
        held.push(plan.state.hold()?);
        plan.state.forget()?;
        plan.state.write_record(&plan.record())?;
    }
    let progress = Progress::new("");
    let begun = Instant::now();
    let started = shutdown.run_until_cancelled(start(plans, join, &progress)).await.transpose();
    let Ok(Some(clusters)) = started else {
        plans.iter().try_for_each(|plan| plan.state.remove())?;
        return started.map(drop);
    };
    for (plan, cluster) in plans.iter().zip(&clusters) {
        let record = super::Record { api: cluster.api_url().to_owned(), ready: true, ..plan.record() };
        plan.state.write_record(&record)?;
    }
    ready(plans, &progress, begun);
    let lives = plans.iter().zip(clusters).zip(held).map(async |((plan, cluster), _held)| {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = asked_to_end(&plan.state) => {}
        }
        let end = async {
            cluster.shutdown(END_WITHIN).await;
            Ok(())
        };
        steps(plan).step("stopping", end).await?;
        plan.state.remove()
    });
    join_all(lives).await.into_iter().collect()
}

fn steps(plan: &Plan) -> Progress {
    Progress::new(format!("{}: ", plan.state.name))
}

async fn asked_to_end(state: &StateDir) {
    while !state.is_asked_to_end() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The clusters, the way between them, the meshes, and what joins them.
pub(super) async fn start(plans: &[Plan], join: bool, progress: &Progress) -> anyhow::Result<Vec<Cluster>> {
    let since = Timestamp::now();
    progress.head(&format!("{} clusters, a mesh in each", plans.len()));
    let clusters = try_join_all(plans.iter().map(async |plan| start_cluster(plan, &steps(plan)).await)).await?;
    progress.step("networks joined, through gateways alone", join_networks(&clusters)).await?;
    let members = || plans.iter().zip(&clusters);
    let begun = members().map(async |(plan, cluster)| {
        let Some(name) = &plan.mesh else { return Ok(()) };
        let pods = cluster.router().config().pod_cidr.to_string();
        let parts = Parts { gateway: Some(pods), hub: plan.index == 0 };
        start_mesh(&cluster.client(), name, parts, since, &steps(plan)).await
    });
    try_join_all(begun).await?;
    let (Some(first), Some(hub)) = (clusters.first(), plans.first().and_then(|plan| plan.mesh.as_ref())) else {
        bail!("--meshes: name at least one");
    };
    let hub = progress.step("hub has an address", hub_of(&first.client(), hub)).await?;
    let named = members().map(async |(plan, cluster)| match &plan.mesh {
        Some(name) => create_mesh(&cluster.client(), name, &hub).await,
        None => Ok(()),
    });
    let named = async { try_join_all(named).await.map(drop) };
    progress.step("each mesh knows its name and its hub", named).await?;
    let gateways = clusters.iter().map(async |cluster| mesh::wait_ready(&cluster.client(), GATEWAY, since).await);
    let gateways = async { try_join_all(gateways).await.map(drop) };
    progress.step("gateways ready", gateways).await?;
    progress.step("hub ready", mesh::wait_ready(&first.client(), HUB, since)).await?;
    if join {
        join_meshes(&clusters).await?;
    }
    Ok(clusters)
}

/// Each pair by an invitation of its own, as two teams would do it. The hub's mesh comes first: then the others know its roots.
async fn join_meshes(clusters: &[Cluster]) -> anyhow::Result<()> {
    let sides = clusters.iter().map(async |cluster| Side::of(cluster.client(), mesh::NAMESPACE).await);
    let sides = try_join_all(sides).await?;
    let mut rest = &sides[..];
    while let Some((inviter, joiners)) = rest.split_first() {
        for joiner in joiners {
            // Kept clusters were joined in an earlier life.
            let peers: Api<MeshPeer> = Api::all(joiner.client.clone());
            if peers.get_opt(inviter.mesh.as_str()).await?.is_some() {
                continue;
            }
            let steps = |side: &Side| Progress::new(format!("{}: ", side.mesh));
            let invited = invite(inviter, INVITATION_LIFETIME, Some(&joiner.mesh), &steps(inviter)).await?;
            join(joiner, &Invitation::parse(&invited.invitation)?, &steps(joiner)).await?;
        }
        rest = joiners;
    }
    Ok(())
}

async fn join_networks(clusters: &[Cluster]) -> anyhow::Result<()> {
    let mut rest = clusters;
    while let Some((one, others)) = rest.split_first() {
        for other in others {
            one.join(other).await?;
        }
        rest = others;
    }
    Ok(())
}

/// Where the hub of this mesh is, and who it is.
async fn hub_of(client: &Client, mesh: &MeshName) -> anyhow::Result<HubRef> {
    let ip = mesh::balancer_address(client, HUB).await?;
    let identity = format!("spiffe://{}/ns/{}/sa/{HUB}", mesh.trust_domain, mesh::NAMESPACE);
    Ok(HubRef { address: format!("{ip}:{HUB_PORT}"), identity })
}

async fn create_mesh(client: &Client, name: &MeshName, hub: &HubRef) -> anyhow::Result<()> {
    let spec = MeshSpec {
        trust_domain: name.trust_domain.clone(),
        cluster: None,
        hub: Some(hub.clone()),
        gateways: None,
        egress: Some(true),
    };
    let api: Api<Mesh> = Api::all(client.clone());
    let params = PatchParams::apply(mesh::MANAGER).force();
    api.patch(&name.mesh, &params, &Patch::Apply(Mesh::new(&name.mesh, spec))).await?;
    Ok(())
}

fn ready(plans: &[Plan], progress: &Progress, begun: Instant) {
    progress.say(&format!("\nReady in {:.1} s. Next:\n", begun.elapsed().as_secs_f64()));
    for plan in plans {
        progress.say(&format!("  export KUBECONFIG={}   # {}", plan.state.kubeconfig().display(), plan.state.name));
    }
    let group = plans.first().and_then(|plan| plan.group.as_deref()).filter(|group| *group != super::DEFAULT_NAME);
    let name = group.map(|group| format!(" --name {group}")).unwrap_or_default();
    progress.say(&format!("  kubectl get meshes\n  isthmus status\n  isthmus down{name}\n"));
}

#[cfg(test)]
mod tests;
