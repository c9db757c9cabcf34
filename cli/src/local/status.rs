//! `isthmus status`: the clusters of this machine, and how the mesh in each is doing.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use isthmus_k8s::{access::TrafficTarget, split::TrafficSplit, status::Status};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
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
        println!("no clusters; `isthmus up` starts one");
        return Ok(ExitCode::SUCCESS);
    }
    let columns: [Column<Row>; 6] = [
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
    output::print(args.output, &rows, &columns)?;
    if args.output == Output::Table {
        for row in rows.iter().filter(|row| row.pid.is_some()) {
            println!("\nexport KUBECONFIG={}   # {}", row.kubeconfig, row.name);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn look(state: &StateDir) -> anyhow::Result<Row> {
    let record = state.record();
    let running = state.is_running()?;
    let mut row = Row {
        name: state.name.clone(),
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
    let controllers: Api<Deployment> = Api::namespaced(client.clone(), mesh::NAMESPACE);
    let controller = controllers.get_opt(mesh::CONTROLLER).await?;
    let pods = Api::<Pod>::all(client.clone()).list(&all).await?;
    let splits = Api::<TrafficSplit>::all(client.clone()).list(&all).await?;
    let targets = Api::<TrafficTarget>::all(client).list(&all).await?;
    let statuses = splits.iter().map(|s| s.status.as_ref()).chain(targets.iter().map(|t| t.status.as_ref()));
    Ok(Mesh {
        controller_ready: controller.is_some_and(|c| mesh::is_ready(&c)),
        pods: pods.items.len(),
        meshed_pods: pods.iter().filter(|p| mesh::has_sidecar(p)).count(),
        policies: splits.items.len() + targets.items.len(),
        programmed: statuses.filter(|s| s.is_some_and(programmed)).count(),
    })
}

fn programmed(status: &Status) -> bool {
    status.conditions.iter().any(|c| c.type_ == "Programmed" && c.status == "True")
}
