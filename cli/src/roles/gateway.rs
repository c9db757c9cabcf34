//! `isthmus gateway`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;
use isthmus_core::inbound::Cidr;
use isthmus_gateway::{ADMIN_PORT, Config, Error, limits};
use isthmus_runtime::{logging::Format, signals};

use super::{control::ControlArgs, on_one_thread};
use crate::args::{LogArgs, Usage};

#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    #[command(flatten)]
    control: ControlArgs,
    /// File to keep the newest routes in, for a start while the controller is away
    #[arg(long, env = "ISTHMUS_ROUTES_FILE")]
    routes_file: Option<PathBuf>,
    /// Where mesh TLS is taken [default: port 15443 of 0.0.0.0 and ::]
    #[arg(long, env = "ISTHMUS_LISTEN", value_delimiter = ',')]
    listen: Vec<SocketAddr>,
    /// Where the admin server listens
    #[arg(long, env = "ISTHMUS_ADMIN", default_value_t = SocketAddr::from(([0, 0, 0, 0], ADMIN_PORT)))]
    admin: SocketAddr,
    /// Worker threads
    #[arg(long, env = "ISTHMUS_WORKERS", default_value_t = 1)]
    workers: usize,
    /// Address prefixes of balancers, which must name their clients by the PROXY protocol, version 2
    #[arg(long, env = "ISTHMUS_PROXY_PROTOCOL", value_delimiter = ',', value_name = "CIDR")]
    proxy_protocol: Vec<Cidr>,
    /// Address prefixes of those who may leave for other meshes by this gateway [default: whoever reaches it]
    #[arg(long, env = "ISTHMUS_EGRESS_FROM", value_delimiter = ',', value_name = "CIDR")]
    egress_from: Vec<Cidr>,
    /// Most connections of a worker
    #[arg(long, env = "ISTHMUS_MAX_CONNECTIONS", default_value_t = limits::CONNECTIONS)]
    max_connections: usize,
    /// New connections a second that a worker takes of one source
    #[arg(long, env = "ISTHMUS_SOURCE_RATE", default_value_t = limits::SOURCE_RATE)]
    source_rate: u32,
    /// New connections of one source that a worker takes at once, before its rate counts
    #[arg(long, env = "ISTHMUS_SOURCE_BURST", default_value_t = limits::SOURCE_BURST)]
    source_burst: u32,
    /// Seconds without a byte after which a connection is cut
    #[arg(long, env = "ISTHMUS_IDLE_SECONDS", default_value_t = limits::IDLE.as_secs())]
    idle_seconds: u64,
    /// Write no access log
    #[arg(long, env = "ISTHMUS_NO_ACCESS_LOG")]
    no_access_log: bool,
    /// Seconds after a signal to end in which connections are still taken
    #[arg(long, env = "ISTHMUS_LEAVE_SECONDS", default_value_t = limits::LEAVE_TIME.as_secs())]
    leave_seconds: u64,
    /// Seconds that open connections may go on after a signal to end
    #[arg(long, env = "ISTHMUS_DRAIN_SECONDS", default_value_t = limits::DRAIN_TIME.as_secs())]
    drain_seconds: u64,
}

pub(crate) fn run(log: &LogArgs, args: Box<GatewayArgs>) -> anyhow::Result<()> {
    let handle = log.for_service(Format::Json, "info")?;
    let mut config: Config = (*args).into();
    config.log_level = Some(handle);
    on_one_thread(async {
        let run = isthmus_gateway::run(config, signals::shutdown_token()?).await;
        run.map_err(|error| match error {
            Error::InvalidConfig { .. } | Error::InvalidTrustBundle(_) => Usage(error.into()).into(),
            _ => error.into(),
        })
    })
}

impl From<GatewayArgs> for Config {
    fn from(args: GatewayArgs) -> Self {
        let mut config = Self::new(args.control.into());
        config.routes_file = args.routes_file;
        if !args.listen.is_empty() {
            config.listen = args.listen;
        }
        config.admin = Some(args.admin);
        config.workers = args.workers;
        config.balancers = args.proxy_protocol;
        config.egress_from = args.egress_from;
        config.access_log = !args.no_access_log;
        config.bounds.connections = args.max_connections;
        config.bounds.source_rate = args.source_rate;
        config.bounds.source_burst = args.source_burst;
        config.bounds.idle = Duration::from_secs(args.idle_seconds);
        config.bounds.leave = Duration::from_secs(args.leave_seconds);
        config.bounds.drain = Duration::from_secs(args.drain_seconds);
        config
    }
}
