//! What a gateway is told at its start.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use isthmus_core::inbound::Cidr;

use crate::limits::Bounds;

/// Port for mesh TLS between meshes.
pub const PORT: u16 = 15443;
/// Port of the admin server.
pub const ADMIN_PORT: u16 = 15021;

/// All that a gateway is told at its start. [`Config::new`] fills in the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who the gateway is to its controller, and where that is.
    pub control: isthmus_proxy::control::Config,
    /// File to keep the last good routes in, for a start while the controller is away; `None` for none.
    pub routes_file: Option<PathBuf>,
    /// Where connections are taken. An IPv6 address that the host can't bind is left out.
    pub listen: Vec<SocketAddr>,
    /// Where the admin server listens; `None` for none.
    pub admin: Option<SocketAddr>,
    /// Worker threads.
    pub workers: usize,
    /// Balancers before the gateway: their connections begin with a PROXY protocol header (version 2), which is believed.
    pub balancers: Vec<Cidr>,
    /// Who may leave by this gateway for another mesh; empty: anybody who reaches it.
    pub egress_from: Vec<Cidr>,
    /// Write one line for each connection to the `access` log target.
    pub access_log: bool,
    /// Changes the running process's log filter, for `/log-level`.
    pub log_level: Option<isthmus_runtime::logging::Handle>,
    /// Limits that differ between processes.
    pub bounds: Bounds,
}

impl Config {
    /// The configuration of a gateway with every optional part at its default.
    pub fn new(control: isthmus_proxy::control::Config) -> Self {
        Self {
            control,
            routes_file: None,
            listen: vec![(Ipv4Addr::UNSPECIFIED, PORT).into(), (Ipv6Addr::UNSPECIFIED, PORT).into()],
            admin: Some((Ipv4Addr::UNSPECIFIED, ADMIN_PORT).into()),
            workers: 1,
            balancers: Vec::new(),
            egress_from: Vec::new(),
            access_log: true,
            log_level: None,
            bounds: Bounds::default(),
        }
    }
}
