//! `isthmus redirect`.

use clap::Args;
use isthmus_core::inbound::Cidr;
use isthmus_proxy::{
    ADMIN_PORT, INBOUND_PORT, OUTBOUND_PORT, PROXY_UID,
    redirect::{self, RedirectError},
};

use crate::args::{LogArgs, Usage};

#[derive(Debug, Args)]
pub(crate) struct RedirectCli {
    /// Port of the sidecar for arriving connections
    #[arg(long, env = "ISTHMUS_INBOUND_PORT", default_value_t = INBOUND_PORT)]
    inbound_port: u16,
    /// Port of the sidecar for departing connections
    #[arg(long, env = "ISTHMUS_OUTBOUND_PORT", default_value_t = OUTBOUND_PORT)]
    outbound_port: u16,
    /// User that the sidecar runs as; its own connections aren't redirected
    #[arg(long, env = "ISTHMUS_PROXY_UID", default_value_t = PROXY_UID, conflicts_with = "proxy_mark")]
    proxy_uid: u32,
    /// Mark of the sidecar's sockets, where users can't be told apart (then instead of the user)
    #[arg(long, env = "ISTHMUS_PROXY_MARK")]
    proxy_mark: Option<u32>,
    /// Container ports that are reached directly [the admin port always is]
    #[arg(long, env = "ISTHMUS_SKIP_INBOUND_PORTS", value_delimiter = ',', value_name = "PORTS")]
    skip_inbound_ports: Vec<u16>,
    /// Ports that the pod calls directly
    #[arg(long, env = "ISTHMUS_SKIP_OUTBOUND_PORTS", value_delimiter = ',', value_name = "PORTS")]
    skip_outbound_ports: Vec<u16>,
    /// Addresses that the pod calls directly, like 10.0.0.0/8
    #[arg(long, env = "ISTHMUS_SKIP_OUTBOUND_CIDRS", value_delimiter = ',', value_name = "CIDRS")]
    skip_outbound_cidrs: Vec<Cidr>,
    /// Port of the sidecar's admin server
    #[arg(long, env = "ISTHMUS_ADMIN_PORT", default_value_t = ADMIN_PORT)]
    admin_port: u16,
}

pub(crate) fn run(log: &LogArgs, args: RedirectCli) -> anyhow::Result<()> {
    log.for_command("info")?;
    redirect::run(&args.into()).map_err(|error| match error {
        RedirectError::Kernel(_) => error.into(),
        _ => Usage(error.into()).into(),
    })
}

impl From<RedirectCli> for redirect::RedirectArgs {
    fn from(cli: RedirectCli) -> Self {
        let mut skip_inbound_ports = cli.skip_inbound_ports;
        skip_inbound_ports.push(cli.admin_port);
        Self {
            inbound_port: cli.inbound_port,
            outbound_port: cli.outbound_port,
            proxy_uid: cli.proxy_mark.is_none().then_some(cli.proxy_uid),
            proxy_mark: cli.proxy_mark,
            skip_inbound_ports,
            skip_outbound_ports: cli.skip_outbound_ports,
            skip_outbound_cidrs: cli.skip_outbound_cidrs,
        }
    }
}
