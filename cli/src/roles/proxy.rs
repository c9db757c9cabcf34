//! `isthmus proxy`.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use clap::Args;
use isthmus_core::telemetry::settings::{Family, LogFormat};
use isthmus_proxy::{ADMIN_PORT, Config, Error, limits::EDGES};
use isthmus_runtime::{logging::Format, signals};

use super::{control::ControlArgs, on_one_thread, trace::TraceArgs};
use crate::args::{LogArgs, Usage};

#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    #[command(flatten)]
    control: ControlArgs,
    /// This mesh's name
    #[arg(long, env = "ISTHMUS_MESH", default_value = "isthmus")]
    mesh: String,
    /// The pod's addresses
    #[arg(long = "pod-ip", env = "POD_IP", value_delimiter = ',')]
    pod_ips: Vec<IpAddr>,
    /// Where departing connections are taken [default: port 15001 of 127.0.0.1 and ::1]
    #[arg(long, env = "ISTHMUS_OUTBOUND", value_delimiter = ',')]
    outbound: Vec<SocketAddr>,
    /// Where arriving connections are taken [default: port 15006 of 0.0.0.0 and ::]
    #[arg(long, env = "ISTHMUS_INBOUND", value_delimiter = ',')]
    inbound: Vec<SocketAddr>,
    /// Where the admin server listens
    #[arg(long, env = "ISTHMUS_ADMIN", default_value_t = SocketAddr::from(([0, 0, 0, 0], ADMIN_PORT)))]
    admin: SocketAddr,
    /// Worker threads
    #[arg(long, env = "ISTHMUS_WORKERS", default_value_t = 1)]
    workers: usize,
    /// Mark of the proxy's own sockets (see `isthmus redirect --proxy-mark`)
    #[arg(long, env = "ISTHMUS_PROXY_MARK")]
    socket_mark: Option<u32>,
    /// Write no access log
    #[arg(long, env = "ISTHMUS_NO_ACCESS_LOG")]
    no_access_log: bool,
    /// Most edges (a peer, Service, backend and protocol) that are counted apart; further ones are counted together
    #[arg(long, env = "ISTHMUS_METRICS_EDGES", default_value_t = EDGES)]
    metrics_edges: usize,
    /// Count no requests and connections at all; nothing is told to the controller of them either
    #[arg(long, env = "ISTHMUS_NO_METRICS")]
    no_metrics: bool,
    /// Other meshes' names that metrics have too: linkerd, osm, istio, or none, where the pod's annotations don't say
    #[arg(long, env = "ISTHMUS_METRIC_FAMILIES", default_value = "linkerd,osm,istio", value_parser = families)]
    metric_families: Families,
    #[command(flatten)]
    trace: TraceArgs,
    /// Seconds that requests under way may go on after a signal to end
    #[arg(long, env = "ISTHMUS_DRAIN_SECONDS", default_value_t = 30)]
    drain_seconds: u64,
}

/// A list, which for clap is one value.
#[derive(Debug, Clone)]
struct Families(Vec<Family>);

fn families(text: &str) -> Result<Families, String> {
    let named = |name: &str| {
        Family::read(name).ok_or_else(|| format!("{name:?} is none of linkerd, osm, istio; or write none"))
    };
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty() && text.trim() != "none");
    names.map(named).collect::<Result<_, _>>().map(Families)
}

pub(crate) fn run(log: &LogArgs, args: Box<ProxyArgs>) -> anyhow::Result<()> {
    let handle = log.for_service(Format::Json, "info")?;
    let trace = args.trace.settings()?;
    let mut config: Config = (*args).into();
    config.trace = trace;
    config.log_level = Some(handle);
    config.access_log.format = match log.format_or(Format::Json) {
        Format::Json => LogFormat::Json,
        Format::Text => LogFormat::Text,
    };
    on_one_thread(async {
        let run = isthmus_proxy::run(config, signals::shutdown_token()?).await;
        run.map_err(|error| match error {
            Error::InvalidConfig { .. } | Error::InvalidTrustBundle(_) | Error::Trace(_) => Usage(error.into()).into(),
            _ => error.into(),
        })
    })
}

impl From<ProxyArgs> for Config {
    fn from(args: ProxyArgs) -> Self {
        let mut config = Self::of(args.control.into());
        config.mesh = args.mesh;
        config.pod_ips = args.pod_ips;
        if !args.outbound.is_empty() {
            config.outbound = args.outbound;
        }
        if !args.inbound.is_empty() {
            config.inbound = args.inbound;
        }
        config.admin = Some(args.admin);
        config.workers = args.workers;
        config.socket_mark = args.socket_mark;
        config.access_log.on = !args.no_access_log;
        config.metrics_edges = if args.no_metrics { 0 } else { args.metrics_edges };
        config.metric_families = args.metric_families.0;
        config.drain = Duration::from_secs(args.drain_seconds);
        config
    }
}
