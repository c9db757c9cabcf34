//! `isthmus up`: clusters on this machine, each with the mesh in it.

mod detach;
pub(super) mod meshes;
mod root;

use std::{
    future::Future,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use futures::future::join_all;
use isthmus_local::{Cluster, ClusterConfig};
use isthmus_runtime::{logging::Format, signals};
use isthmus_smi_controller::Traces;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio_util::sync::CancellationToken;

use super::{
    images::OwnImages,
    mesh::{self, MeshName, Parts},
    progress::Progress,
    state::{Record, StateDir},
};
use crate::{args::LogArgs, traces::TracesArgs};

/// The cluster of those who name none.
pub(super) const DEFAULT_NAME: &str = "isthmus";

#[derive(Debug, Clone, Args)]
pub(crate) struct UpArgs {
    /// Return when everything is ready; the cluster goes on in the background
    #[arg(short, long)]
    detach: bool,
    /// How many clusters; they are called NAME-1, NAME-2 and so on
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    clusters: u8,
    /// A cluster for each of these meshes, joined with the others; the hub is in the first. Of a mesh of several clusters each
    /// is named, MESH/CLUSTER: east,west/a,west/b
    #[arg(long, value_name = "MESH,…", value_delimiter = ',', conflicts_with_all = ["clusters", "no_mesh"])]
    meshes: Vec<String>,
    /// Leave the meshes apart, for `isthmus federation invite` and `join`
    #[arg(long, requires = "meshes")]
    no_join: bool,
    /// Keep the cluster's objects in this folder, over restarts (with several clusters, in one folder each below it)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The cluster's name; with --meshes, that of all together
    #[arg(long, default_value = DEFAULT_NAME)]
    name: String,
    /// A cluster without the mesh
    #[arg(long)]
    no_mesh: bool,
    #[command(flatten)]
    traces: TracesArgs,
    /// Which of several clusters a detached process is
    #[arg(long, hide = true)]
    detached_index: Option<u8>,
}

/// How long pods may take to end by themselves.
pub(super) const END_WITHIN: Duration = Duration::from_secs(10);

/// One cluster to start.
#[derive(Debug, Clone)]
struct Plan {
    state: StateDir,
    /// Decides the addresses, so that clusters started together can be joined later.
    index: u8,
    data_dir: Option<PathBuf>,
    mesh: Option<MeshName>,
    /// Of a mesh of several clusters: which of them it is.
    place: Option<Place>,
    /// The name of those that one process runs together.
    group: Option<String>,
    /// Where sidecars send traces.
    traces: Traces,
}

/// A cluster among those of its mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    cluster: String,
    /// All of them; the first one's root is the others'.
    all: Vec<String>,
}

impl Plan {
    /// Is this the first cluster of the other one's mesh?
    fn leads(&self, other: &Self) -> bool {
        let first = other.place.as_ref().and_then(|place| place.all.first());
        let of_one_mesh = self.mesh.as_ref().map(|mesh| &mesh.mesh) == other.mesh.as_ref().map(|mesh| &mesh.mesh);
        let is_first = self.place.as_ref().map(|place| &place.cluster) == first;
        first.is_some() && of_one_mesh && is_first && self.index != other.index
    }

    fn record(&self) -> Record {
        let (mesh, group) = (self.mesh.is_some(), self.group.clone());
        Record { pid: pid(), index: self.index, api: String::new(), mesh, ready: false, group }
    }
}

pub(crate) fn run(log: &LogArgs, args: UpArgs) -> anyhow::Result<ExitCode> {
    let plans = plans(&args)?;
    if args.detach {
        log.for_command("warn")?;
        return detach::run(&args, &plans);
    }
    if args.detached_index.is_some() {
        // Out of the terminal's session: closing it, or Ctrl-C in it, doesn't concern this process.
        nix::unistd::setsid().context("setsid")?;
    }
    on_own_namespaces(async move {
        log.for_service(Format::Text, "warn")?;
        let shutdown = signals::shutdown_token()?;
        if !args.meshes.is_empty() {
            meshes::run(&plans, !args.no_join, &shutdown).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let several = plans.len() > 1;
        let ups = plans.iter().map(async |plan| {
            let prefix = if several { format!("{}: ", plan.state.name) } else { String::new() };
            let ended = one(plan, Progress::new(prefix), shutdown.clone()).await;
            // Together or not at all.
            shutdown.cancel();
            ended
        });
        join_all(ups).await.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(ExitCode::SUCCESS)
    })
}

fn plans(args: &UpArgs) -> anyhow::Result<Vec<Plan>> {
    let data_dir = |name: &str, several: bool| {
        let dir = args.data_dir.clone().map(|dir| if several { dir.join(name) } else { dir });
        dir.map(std::path::absolute).transpose()
    };
    if !args.meshes.is_empty() {
        return meshes::plans(args, |name| data_dir(name, true));
    }
    let traces = args.traces.traces()?;
    let indices = match args.detached_index {
        Some(index) => index..index + 1,
        None => 0..args.clusters,
    };
    let several = args.clusters > 1;
    let plan = |index: u8| {
        let name = if several { format!("{}-{}", args.name, index + 1) } else { args.name.clone() };
        Ok(Plan {
            state: StateDir::new(&name)?,
            index,
            data_dir: data_dir(&name, several)?,
            mesh: (!args.no_mesh).then(|| MeshName::of(&name, several)),
            place: None,
            group: None,
            traces: traces.clone(),
        })
    };
    indices.map(plan).collect()
}

/// Runs one cluster until the shutdown.
async fn one(plan: &Plan, progress: Progress, shutdown: CancellationToken) -> anyhow::Result<()> {
    let held = plan.state.hold()?;
    let mut record = plan.record();
    plan.state.write_record(&record)?;
    let begun = Instant::now();
    progress.head(&format!("Cluster {:?}", plan.state.name));
    let Some(started) = shutdown.run_until_cancelled(start(plan, &progress)).await else {
        return held.remove();
    };
    let cluster = match started {
        Ok(cluster) => cluster,
        Err(error) => {
            held.remove()?;
            return Err(error);
        }
    };
    cluster.api_url().clone_into(&mut record.api);
    record.ready = true;
    ready(plan, &progress, begun);
    plan.state.write_record(&record)?;
    shutdown.cancelled().await;
    progress
        .step("stopping", async {
            cluster.shutdown(END_WITHIN).await;
            Ok(())
        })
        .await?;
    held.remove()
}

/// The cluster, then the mesh in it.
async fn start(plan: &Plan, progress: &Progress) -> anyhow::Result<Cluster> {
    let since = Timestamp::now();
    let cluster = start_cluster(plan, progress).await?;
    if let Some(name) = &plan.mesh {
        let parts = Parts { traces: plan.traces.clone(), ..Parts::default() };
        start_mesh(&cluster.client(), name, parts, since, progress).await?;
    }
    Ok(cluster)
}

async fn start_cluster(plan: &Plan, progress: &Progress) -> anyhow::Result<Cluster> {
    let config = ClusterConfig {
        index: plan.index,
        data_dir: plan.data_dir.clone(),
        ..config(&plan.state.name, plan.state.path(), progress)?
    };
    Ok(Cluster::start(config).await?)
}

/// A cluster with the mesh, for the demo.
pub(super) async fn start_with_mesh(progress: &Progress, state: &Path) -> anyhow::Result<Cluster> {
    let since = Timestamp::now();
    let cluster = Cluster::start(config("demo", state, progress)?).await?;
    start_mesh(&cluster.client(), &MeshName::of("demo", false), Parts::default(), since, progress).await?;
    Ok(cluster)
}

/// A cluster for each of these meshes, in a folder of its name and not joined yet, for the demo; the hub is in the first.
pub(super) async fn start_meshes(progress: &Progress, state: &Path, names: &[&str]) -> anyhow::Result<Vec<Cluster>> {
    let plan = |(index, name): (u8, &&str)| {
        let state = StateDir::below(state, name)?;
        std::fs::create_dir_all(state.path())?;
        Ok(Plan {
            state,
            index,
            data_dir: None,
            mesh: Some(MeshName::of(name, true)),
            place: None,
            group: None,
            traces: Traces::default(),
        })
    };
    let plans = (0..).zip(names).map(plan).collect::<anyhow::Result<Vec<_>>>()?;
    meshes::start(&plans, false, progress).await
}

fn config(name: &str, state: &Path, progress: &Progress) -> anyhow::Result<ClusterConfig> {
    let images = Arc::new(OwnImages::new()?);
    let (helper, steps) = (images.helper(), progress.clone());
    Ok(ClusterConfig {
        state_dir: Some(state.to_owned()),
        progress: Arc::new(move |what, took| steps.done(what, took)),
        ..ClusterConfig::new(name, images, helper)
    })
}

async fn start_mesh(
    client: &Client,
    name: &MeshName,
    parts: Parts,
    since: Timestamp,
    progress: &Progress,
) -> anyhow::Result<()> {
    progress.step("SMI kinds (CRDs)", mesh::install_crds(client)).await?;
    progress.step("control plane applied", mesh::install_control_plane(client, name, parts)).await?;
    progress.step("control plane ready", mesh::wait_ready(client, mesh::CONTROLLER, since)).await
}

fn ready(plan: &Plan, progress: &Progress, begun: Instant) {
    progress.say(&format!("\nReady in {:.1} s. Next:\n", begun.elapsed().as_secs_f64()));
    progress.say(&format!("  export KUBECONFIG={}", plan.state.kubeconfig().display()));
    progress.say("  kubectl get pods -A");
    if plan.mesh.is_some() {
        progress.say("  kubectl apply -f examples/shop");
    }
    let name = if plan.state.name == DEFAULT_NAME { String::new() } else { format!(" --name {}", plan.state.name) };
    progress.say(&format!("  isthmus status\n  isthmus down{name}\n"));
}

fn pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// Makes sure of namespaces, which must be done by a process of one thread, then runs `work` on all cores.
pub(super) fn on_own_namespaces(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    isthmus_local_node::enter_user_namespace_if_needed()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
