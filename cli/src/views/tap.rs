//! `isthmus tap`: requests of some pods as they end, by the mesh's own API behind the cluster's API server.

mod fault;
mod line;
mod stream;
mod target;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, ValueEnum};

use self::{line::HEAD, stream::Stream};
use super::{kinds::Target, quantity};
use crate::cluster::ClusterArgs;
pub(crate) use fault::Fault;

#[derive(Debug, Args)]
pub(crate) struct TapArgs {
    /// What to tap, such as deploy/web, pod/web-0 or svc/catalog [default: the whole namespace]
    #[arg(value_name = "RESOURCE/NAME", value_parser = tappable)]
    target: Option<Target>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Namespace [default: the context's]
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// Most that each proxy tells in a second, 1 to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    max_rps: Option<u32>,
    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this time, 1h at most
    #[arg(long = "for", default_value = "10m", value_name = "DURATION", value_parser = lasts)]
    lasts: Duration,
    /// How to print each
    #[arg(short, long, value_enum, default_value = "table")]
    output: Form,
}

/// Which requests.
#[derive(Debug, Default, Args)]
struct Filter {
    /// Only what arrives at the pods, or what departs from them
    #[arg(long, value_enum)]
    direction: Option<Direction>,
    /// Only requests of this method, as sent
    #[arg(long)]
    method: Option<String>,
    /// Only requests whose path begins so
    #[arg(long)]
    path: Option<String>,
    /// Only answers with this status, such as 503, or of this class, such as 5xx
    #[arg(long)]
    status: Option<String>,
    /// Only calls of this Service
    #[arg(long, value_name = "NAMESPACE/NAME")]
    service: Option<String>,
    /// Only what has this at its other end, such as deploy/web or pod/web-0
    #[arg(long, value_name = "RESOURCE/NAME")]
    peer: Option<Target>,
    /// Only what has a pod of this namespace at its other end
    #[arg(long, value_name = "NAMESPACE")]
    peer_namespace: Option<String>,
    /// Only what has a pod of this mesh (its trust domain) at its other end
    #[arg(long, value_name = "MESH")]
    peer_mesh: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Direction {
    Inbound,
    Outbound,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    /// One object a line: the fields of the access log, and the pod
    Json,
}

fn tappable(text: &str) -> Result<Target, String> {
    text.parse().map_err(|fault: String| format!("{fault}; for a whole namespace give -n alone"))
}

fn lasts(text: &str) -> Result<Duration, String> {
    let read = quantity::duration(text).filter(|d| (Duration::from_secs(1)..=Duration::from_hours(1)).contains(d));
    read.ok_or_else(|| format!("{text:?} isn't a duration from 1s to 1h, like 30s"))
}

pub(super) async fn run(args: &TapArgs) -> anyhow::Result<ExitCode> {
    let client = args.cluster.impatient_client().await?;
    let namespace = args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let path = target::path(&namespace, args)?;
    let mut stream = Stream::open(client, &path).await?;
    if args.output == Form::Table && !tell(HEAD)? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let text = tokio::select! {
            text = stream.line() => text?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                break;
            }
        };
        let Some(text) = text else { break };
        let shown = match args.output {
            Form::Json => format!("{text}\n"),
            Form::Table => line::shown(&text)?,
        };
        if !tell(&shown)? {
            break;
        }
        left -= 1;
    }
    Ok(ExitCode::SUCCESS)
}

/// Is anybody still reading?
fn tell(text: &str) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
