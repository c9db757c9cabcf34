//! `isthmus log-level`: what the mesh's own processes write into their logs, shown and changed while they run. A change lasts as
//! long as the process.

mod admin;
mod pods;

use std::process::ExitCode;

use clap::Args;
use isthmus_runtime::logging;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use serde::Serialize;

use crate::{
    args::{LogArgs, Output},
    cluster::ClusterArgs,
    output,
    told::told,
    views::kinds::Target,
};

#[derive(Debug, Args)]
pub(crate) struct LogLevelArgs {
    /// Whose: the sidecars of deploy/web, of pod/web-0 or of the pods behind svc/catalog; the mesh's own deploy/isthmus-controller
    #[arg(value_name = "RESOURCE/NAME")]
    target: Target,
    /// From now on: a level, or directives like info,isthmus_proxy=debug [default: only show]
    #[arg(value_parser = logging::check)]
    filter: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Namespace [default: the context's]
    #[arg(short, long)]
    namespace: Option<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// What a process of the mesh writes.
#[derive(Debug, Serialize)]
struct Row {
    pod: String,
    container: String,
    filter: String,
}

pub(crate) fn run(log: &LogArgs, args: &LogLevelArgs) -> anyhow::Result<ExitCode> {
    log.for_command("off")?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(show(args))
}

async fn show(args: &LogLevelArgs) -> anyhow::Result<ExitCode> {
    let client = args.cluster.impatient_client().await?;
    let namespace = args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let found = pods::running(&client, &namespace, &args.target).await?;
    let api: Api<Pod> = Api::namespaced(client, &namespace);
    let (mut rows, mut failed) = (Vec::new(), false);
    for pod in found {
        let name = pod.name_any();
        match filter(&api, &pod, args.filter.as_deref()).await {
            Ok((container, filter)) => rows.push(Row { pod: name, container, filter }),
            // The others are told all the same.
            Err(error) => {
                failed = true;
                logging::say(&format!("isthmus: pod {namespace}/{name}: {}", told(&error)));
            }
        }
    }
    if !rows.is_empty() {
        output::print(
            args.output,
            &rows,
            &[
                ("POD", |row: &Row| row.pod.clone()),
                ("CONTAINER", |row| row.container.clone()),
                ("FILTER", |row| row.filter.clone()),
            ],
        )?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The container of the mesh, and its filter once it has the new one.
async fn filter(api: &Api<Pod>, pod: &Pod, new: Option<&str>) -> anyhow::Result<(String, String)> {
    let (container, port) = admin::port(pod)?;
    Ok((container, admin::exchange(api, &pod.name_any(), port, new).await?))
}
