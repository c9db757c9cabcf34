//! `isthmus status`: the clusters of this machine, and how the mesh in each is doing.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use isthmus_k8s::{access::TrafficTarget, federation::MeshPeer, split::TrafficSplit};
use isthmus_smi_controller::install::{GATEWAY, HUB};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Client,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::Serialize;

use super::{mesh, state::StateDir};
use crate::{
    args::Output,
    output::{self, Column},
    stdout,
};

/// How long a cluster may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// How to print the list
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// One cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    /// Of those that were started together.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// Running, Starting, Stopped or Unreachable.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    api: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mesh: Option<Mesh>,
    kubeconfig: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Mesh {
    controller_ready: bool,
    pods: usize,
    /// Pods with a sidecar.
    meshed_pods: usize,
    /// TrafficSplits and TrafficTargets.
    policies: usize,
    /// Those that are in effect in every proxy.
    programmed: usize,
    /// Present where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateways: Option<Replicas>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hub: Option<Replicas>,
    /// Other meshes.
    peers: usize,
    /// Those whose members are connected.
    connected_peers: usize,
}

#[derive(Debug, Serialize)]
struct Replicas {
    ready: i32,
    wanted: i32,
}

impl Replicas {
    fn of(deployment: &Deployment) -> Self {
        let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        Self { ready: deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0), wanted }
    }
}

pub(crate) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(async {
        let mut rows = Vec::new();
        for state in StateDir::all()? {
            rows.push(look(&state).await?);
        }
        anyhow::Ok(rows)
    })?;
    if rows.is_empty() && args.output == Output::Table {
        stdout::say("no clusters; `isthmus up` starts one\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut columns: Vec<Column<Row>> = vec![
        ("NAME", |r| r.name.clone()),
        ("STATE", |r| r.state.to_owned()),
        ("API", |r| r.api.clone()),
        ("MESH", |r| match &r.mesh {
            Some(mesh) if mesh.controller_ready => "Ready".into(),
            Some(_) => "NotReady".into(),
            None => "-".into(),
        }),
        ("PODS", |r| r.mesh.as_ref().map_or("-".into(), |m| format!("{} ({} meshed)", m.pods, m.meshed_pods))),
        ("POLICIES", |r| r.mesh.as_ref().map_or("-".into(), |m| format!("{}/{} programmed", m.programmed, m.policies))),
    ];
    if rows.iter().any(|row| row.group.is_some()) {
        columns.insert(1, ("GROUP", |r| r.group.clone().unwrap_or_else(|| "-".into())));
        columns.push(("GATEWAYS", |r| ready(r, |mesh| mesh.gateways.as_ref())));
        columns.push(("HUB", |r| ready(r, |mesh| mesh.hub.as_ref())));
        columns.push(("PEERS", |r| {
            r.mesh.as_ref().map_or("-".into(), |m| format!("{}/{} connected", m.connected_peers, m.peers))
        }));
    }
    output::print(args.output, &rows, &columns)?;
    if args.output == Output::Table {
        for row in rows.iter().filter(|row| row.pid.is_some()) {
            stdout::say(&format!("\nexport KUBECONFIG={}   # {}\n", row.kubeconfig, row.name))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn ready(row: &Row, part: impl Fn(&Mesh) -> Option<&Replicas>) -> String {
    row.mesh.as_ref().and_then(part).map_or("-".into(), |part| format!("{}/{} ready", part.ready, part.wanted))
}

async fn look(state: &StateDir) -> anyhow::Result<Row> {
    let record = state.record();
    let running = state.is_running()?;
    let mut row = Row {
        name: state.name.clone(),
        group: record.as_ref().and_then(|r| r.group.clone()),
        state: "Stopped",
        pid: record.as_ref().filter(|_| running).map(|r| r.pid),
        api: record.as_ref().map_or("-".into(), |r| r.api.clone()),
        mesh: None,
        kubeconfig: state.kubeconfig().display().to_string(),
    };
    let Some(record) = record.filter(|_| running) else { return Ok(row) };
    row.state = if record.ready { "Running" } else { "Starting" };
    if record.ready && record.mesh {
        match tokio::time::timeout(PATIENCE, ask(state)).await {
            Ok(Ok(mesh)) => row.mesh = Some(mesh),
            Ok(Err(error)) => {
                tracing::warn!(cluster = state.name, "{error:#}");
                row.state = "Unreachable";
            }
            Err(_) => row.state = "Unreachable",
        }
    }
    Ok(row)
}

async fn ask(state: &StateDir) -> anyhow::Result<Mesh> {
    let kubeconfig = Kubeconfig::read_from(state.kubeconfig())?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;
    let all = ListParams::default();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), mesh::NAMESPACE);
    let controller = deployments.get_opt(mesh::CONTROLLER).await?;
    let (gateway, hub) = (deployments.get_opt(GATEWAY).await?, deployments.get_opt(HUB).await?);
    let peers = Api::<MeshPeer>::all(client.clone()).list(&all).await?;
    let pods = Api::<Pod>::all(client.clone()).list(&all).await?;
    let splits = Api::<TrafficSplit>::all(client.clone()).list(&all).await?;
    let targets = Api::<TrafficTarget>::all(client).list(&all).await?;
    let statuses = splits.iter().map(|s| s.status.as_ref().map(|status| &status.conditions));
    let statuses = statuses.chain(targets.iter().map(|t| t.status.as_ref().map(|status| &status.conditions)));
    Ok(Mesh {
        controller_ready: controller.is_some_and(|c| mesh::is_ready(&c)),
        pods: pods.items.len(),
        meshed_pods: pods.iter().filter(|p| mesh::has_sidecar(p)).count(),
        policies: splits.items.len() + targets.items.len(),
        programmed: statuses.filter(|all| all.is_some_and(|all| is_true(all, "Programmed"))).count(),
        gateways: gateway.as_ref().map(Replicas::of),
        hub: hub.as_ref().map(Replicas::of),
        connected_peers: peers.iter().filter(|p| is_connected(p)).count(),
        peers: peers.items.len(),
    })
}

fn is_connected(peer: &MeshPeer) -> bool {
    peer.status.as_ref().is_some_and(|status| is_true(&status.conditions, "Connected"))
}

fn is_true(conditions: &[Condition], kind: &str) -> bool {
    conditions.iter().any(|c| c.type_ == kind && c.status == "True")
}
