//! What a sidecar is told at its start.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use isthmus_core::{
    id::{SpiffeId, TrustDomain},
    telemetry::settings::Family,
};

use crate::{
    access_log, control,
    limits::{Bounds, EDGES},
    original::{FromKernel, OriginalDestination},
    trace,
};

/// Port for departing connections.
pub const OUTBOUND_PORT: u16 = 15001;
/// Port for arriving connections.
pub const INBOUND_PORT: u16 = 15006;
/// Port of the admin server.
pub const ADMIN_PORT: u16 = 15020;
/// User that the sidecar runs as; what it sends isn't redirected.
pub const PROXY_UID: u32 = 2102;
/// Mark of the sidecar's sockets where users can't be told apart.
pub const SOCKET_MARK: u32 = 0x1574;

/// All that a sidecar is told at its start. [`Config::new`] fills in the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the controller serves, `host:port`.
    pub control_addr: String,
    /// The identity that the controller must show.
    pub controller_id: SpiffeId,
    /// This mesh's trust domain.
    pub trust_domain: TrustDomain,
    /// The mesh's name, the last part but one of the server names in mesh TLS.
    pub mesh: String,
    /// Roots of the trust domain to begin with, PEM.
    pub trust_bundle: String,
    /// File to keep the roots in, so that a sidecar that starts again in its pod has the newest; `None` for none.
    pub trust_file: Option<PathBuf>,
    /// File with the projected ServiceAccount token; read anew for every certificate, because the kubelet rotates it.
    pub token_file: PathBuf,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's own addresses: endpoints among them are reached inside the process.
    pub pod_ips: Vec<IpAddr>,
    /// Where departing connections are taken. An IPv6 address that the host can't bind is left out.
    pub outbound: Vec<SocketAddr>,
    /// Where arriving connections are taken; the same holds.
    pub inbound: Vec<SocketAddr>,
    /// Where the admin server listens; `None` for none.
    pub admin: Option<SocketAddr>,
    /// Worker threads.
    pub workers: usize,
    /// `SO_MARK` of every socket that the proxy dials with. Needs CAP_NET_ADMIN or CAP_NET_RAW.
    pub socket_mark: Option<u32>,
    /// The line that is written for each request and connection.
    pub access_log: access_log::Settings,
    /// Where spans of requests go, and which; `None`: nothing is traced, and trace context passes untouched.
    pub trace: Option<trace::Settings>,
    /// Most edges (a peer, Service, backend and protocol) that are counted apart; 0: none is counted at all.
    pub metrics_edges: usize,
    /// Whose names metrics have beside our own, where the pod's users don't say.
    pub metric_families: Vec<Family>,
    /// Changes the running process's log filter, for `/log-level`.
    pub log_level: Option<isthmus_runtime::logging::Handle>,
    /// How long requests under way may go on once shutdown was asked for.
    pub drain: Duration,
    /// Limits that differ between processes.
    pub bounds: Bounds,
    /// How a connection's original destination is found out.
    pub original: Arc<dyn OriginalDestination>,
}

impl Config {
    /// The configuration of a pod's sidecar, with every optional part at its default.
    pub fn new(control_addr: impl Into<String>, controller_id: SpiffeId, trust_domain: TrustDomain) -> Self {
        Self::of(control::Config::new(control_addr, controller_id, trust_domain))
    }

    /// The same, of a pod that knows its controller.
    pub fn of(control: control::Config) -> Self {
        Self {
            control_addr: control.control_addr,
            controller_id: control.controller_id,
            trust_domain: control.trust_domain,
            mesh: "isthmus".into(),
            trust_bundle: control.trust_bundle,
            trust_file: control.trust_file,
            token_file: control.token_file,
            namespace: control.namespace,
            pod: control.pod,
            pod_ips: Vec::new(),
            outbound: vec![(Ipv4Addr::LOCALHOST, OUTBOUND_PORT).into(), (Ipv6Addr::LOCALHOST, OUTBOUND_PORT).into()],
            inbound: vec![(Ipv4Addr::UNSPECIFIED, INBOUND_PORT).into(), (Ipv6Addr::UNSPECIFIED, INBOUND_PORT).into()],
            admin: Some((Ipv4Addr::UNSPECIFIED, ADMIN_PORT).into()),
            workers: 1,
            socket_mark: control.socket_mark,
            access_log: access_log::Settings::default(),
            trace: None,
            metrics_edges: EDGES,
            metric_families: Family::ALL.to_vec(),
            log_level: None,
            drain: Duration::from_secs(30),
            bounds: Bounds::default(),
            original: Arc::new(FromKernel),
        }
    }
}
