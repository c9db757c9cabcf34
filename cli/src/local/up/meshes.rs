//! `isthmus up --meshes`: a cluster for each mesh, or several, all in one process, for their networks are joined.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{anyhow, bail};
use futures::future::{join_all, try_join_all};
use isthmus_federation::{invitation::Invitation, names::Cluster as ClusterName};
use isthmus_k8s::federation::{HubRef, Mesh, MeshPeer, MeshSpec};
use isthmus_local::Cluster;
use isthmus_smi_controller::install::{GATEWAY, HUB, HUB_PORT};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use tokio_util::sync::CancellationToken;

use super::{END_WITHIN, MeshName, Parts, Place, Plan, Progress, StateDir, UpArgs, root, start_cluster, start_mesh};
use crate::{
    args::Usage,
    federation::{
        Side,
        invite::invite,
        join::{join, wait_joined},
    },
    local::{mesh, state::Held},
};

/// As many as there may be clusters.
const MOST: usize = 16;
/// Each is used at once.
const INVITATION_LIFETIME: Duration = Duration::from_secs(600);
/// How often it is looked whether one cluster alone shall end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One plan for each cluster, the hub's first.
pub(super) fn plans(
    args: &UpArgs,
    data_dir: impl Fn(&str) -> std::io::Result<Option<PathBuf>>,
) -> anyhow::Result<Vec<Plan>> {
    let names = &args.meshes;
    if names.len() > MOST {
        return Err(Usage(anyhow!("--meshes: {} of them; use at most {MOST}", names.len())).into());
    }
    let mut plans: Vec<Plan> = Vec::new();
    for (index, text) in (0..).zip(names) {
        let (mesh, place) = place(text, names)?;
        let name = text.replacen('/', "-", 1);
        if plans.iter().any(|plan| plan.state.name == name) {
            return Err(
                Usage(anyhow!("--meshes: {name:?} is there twice; give each mesh and cluster its own name")).into()
            );
        }
        plans.push(Plan {
            state: StateDir::new(&name)?,
            index,
            data_dir: data_dir(&name)?,
            mesh: Some(MeshName::of(mesh, true)),
            place,
            group: Some(args.name.clone()),
            traces: args.traces.traces()?,
        });
    }
    Ok(plans)
}

/// The mesh, and the cluster's place in it if several are named.
fn place<'a>(text: &'a str, all: &[String]) -> anyhow::Result<(&'a str, Option<Place>)> {
    let (mesh, cluster) = text.split_once('/').map_or((text, None), |(mesh, cluster)| (mesh, Some(cluster)));
    let of_mesh = |other: &&String| other.split_once('/').map_or(other.as_str(), |(mesh, _)| mesh) == mesh;
    let clusters = all.iter().filter(of_mesh).map(|other| other.split_once('/').map(|(_, cluster)| cluster.to_owned()));
    let Some(cluster) = cluster else {
        return match clusters.flatten().next() {
            Some(other) => {
                let message = format!("--meshes: {mesh:?} has a cluster {other:?}; name this one too: {mesh}/CLUSTER");
                Err(Usage(anyhow!(message)).into())
            }
            None => Ok((mesh, None)),
        };
    };
    cluster.parse::<ClusterName>().map_err(|error| Usage(anyhow!("--meshes: {text:?}: {error}")))?;
    Ok((mesh, Some(Place { cluster: cluster.to_owned(), all: clusters.flatten().collect() })))
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
        held.into_iter().try_for_each(Held::remove)?;
        return started.map(drop);
    };
    for (plan, cluster) in plans.iter().zip(&clusters) {
        let record = super::Record { api: cluster.api_url().to_owned(), ready: true, ..plan.record() };
        plan.state.write_record(&record)?;
    }
    ready(plans, &progress, begun);
    let lives = plans.iter().zip(clusters).zip(held).map(async |((plan, cluster), held)| {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = asked_to_end(&plan.state) => {}
        }
        let end = async {
            cluster.shutdown(END_WITHIN).await;
            Ok(())
        };
        steps(plan).step("stopping", end).await?;
        held.remove()
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
    let meshes: BTreeSet<_> = plans.iter().filter_map(|plan| Some(&plan.mesh.as_ref()?.mesh)).collect();
    progress.head(&match meshes.len() == plans.len() {
        true => format!("{} clusters, a mesh in each", plans.len()),
        false => format!("{} clusters of {} meshes", plans.len(), meshes.len()),
    });
    let clusters = try_join_all(plans.iter().map(async |plan| start_cluster(plan, &steps(plan)).await)).await?;
    progress.step("networks joined, through gateways alone", join_networks(&clusters)).await?;
    let members = || plans.iter().zip(&clusters);
    let begun = members().map(async |(plan, cluster)| {
        let Some(name) = &plan.mesh else { return Ok(()) };
        let pods = cluster.router().config().pod_cidr.to_string();
        let parts = Parts { gateway: Some(pods), hub: plan.index == 0, traces: plan.traces.clone() };
        let first = members().find(|(first, _)| first.leads(plan));
        if let Some((_, first)) = first {
            let (first, cluster) = (first.client(), cluster.client());
            steps(plan).step("root of the mesh, from its first cluster", root::carry(&first, &cluster)).await?;
        }
        start_mesh(&cluster.client(), name, parts, since, &steps(plan)).await
    });
    try_join_all(begun).await?;
    let (Some(first), Some(hub)) = (clusters.first(), plans.first().and_then(|plan| plan.mesh.as_ref())) else {
        bail!("--meshes: name at least one");
    };
    let hub = progress.step("hub has an address", hub_of(&first.client(), hub)).await?;
    let named = members().map(async |(plan, cluster)| match &plan.mesh {
        Some(name) => create_mesh(&cluster.client(), name, plan.place.as_ref(), &hub).await,
        None => Ok(()),
    });
    let named = async { try_join_all(named).await.map(drop) };
    progress.step("each mesh knows its name and its hub", named).await?;
    let gateways = clusters.iter().map(async |cluster| mesh::wait_ready(&cluster.client(), GATEWAY, since).await);
    let gateways = async { try_join_all(gateways).await.map(drop) };
    progress.step("gateways ready", gateways).await?;
    progress.step("hub ready", mesh::wait_ready(&first.client(), HUB, since)).await?;
    if join {
        join_meshes(&clusters, progress).await?;
    }
    Ok(clusters)
}

/// Each pair by an invitation of its own, as two teams would do it. The hub's mesh comes first: then the others know its roots.
async fn join_meshes(clusters: &[Cluster], progress: &Progress) -> anyhow::Result<()> {
    let sides = clusters.iter().map(async |cluster| Side::of(cluster.client(), mesh::NAMESPACE).await);
    let sides = try_join_all(sides).await?;
    let steps = |side: &Side| Progress::new(format!("{}: ", side.mesh));
    let mut rest = &sides[..];
    while let Some((inviter, joiners)) = rest.split_first() {
        for joiner in joiners.iter().filter(|joiner| joiner.mesh != inviter.mesh) {
            // Kept clusters were joined in an earlier life; and of a mesh of several each has to agree for itself.
            let (inviter, joiner) = match (agrees(joiner, inviter).await?, agrees(inviter, joiner).await?) {
                (true, true) => continue,
                (false, _) => (inviter, joiner),
                (true, false) => (joiner, inviter),
            };
            let invited = invite(inviter, INVITATION_LIFETIME, Some(&joiner.mesh), &steps(inviter)).await?;
            join(joiner, &Invitation::parse(&invited.invitation)?, &steps(joiner)).await?;
        }
        rest = joiners;
    }
    // Whoever joins waits for its own side; the other one hears of it a moment later.
    let pairs = sides.iter().flat_map(|side| sides.iter().map(move |other| (side, other)));
    let heard = pairs
        .filter(|(side, other)| side.mesh != other.mesh)
        .map(async |(side, other)| wait_joined(side, other.mesh.as_str()).await);
    progress.step("meshes in touch with each other", async { try_join_all(heard).await.map(drop) }).await
}

/// Does one agree with the mesh of the other?
async fn agrees(side: &Side, other: &Side) -> anyhow::Result<bool> {
    let peers: Api<MeshPeer> = Api::all(side.client.clone());
    Ok(peers.get_opt(other.mesh.as_str()).await?.is_some())
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

async fn create_mesh(client: &Client, name: &MeshName, place: Option<&Place>, hub: &HubRef) -> anyhow::Result<()> {
    let spec = MeshSpec {
        trust_domain: name.trust_domain.clone(),
        cluster: place.map(|place| place.cluster.clone()),
        clusters: place.map(|place| place.all.clone()),
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
