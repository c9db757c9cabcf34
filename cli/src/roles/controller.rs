//! `isthmus controller`.

mod lifetime;
mod prometheus;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use isthmus_core::{id::TrustDomain, inbound::PolicyMode};
use isthmus_runtime::{logging::Format, signals};
use isthmus_smi_controller::{
    ADMIN_PORT, BUNDLE_PORT, Config, GRPC_PORT, METRICS_API_PORT, NAME, SYSTEM_NAMESPACE, WEBHOOK_PORT,
};

use self::prometheus::PrometheusArgs;
use crate::{args::LogArgs, traces::TracesArgs};

#[derive(Debug, Args)]
pub(crate) struct ControllerArgs {
    /// This mesh's name
    #[arg(long, env = "ISTHMUS_MESH", default_value = "isthmus")]
    mesh: String,
    /// Its trust domain
    #[arg(long, env = "ISTHMUS_TRUST_DOMAIN", default_value = "isthmus.local", value_parser = TrustDomain::new)]
    trust_domain: TrustDomain,
    /// Domain of the cluster's Service names
    #[arg(long, env = "ISTHMUS_CLUSTER_DOMAIN", default_value = "cluster.local")]
    cluster_domain: String,
    /// What happens to requests that no TrafficTarget covers, where a Namespace doesn't say
    #[arg(long, env = "ISTHMUS_POLICY_MODE", value_enum, default_value = "enforce")]
    policy_mode: Mode,
    /// Namespace of the control plane
    #[arg(long, env = "POD_NAMESPACE", default_value = SYSTEM_NAMESPACE)]
    namespace: String,
    /// This replica's name
    #[arg(long, env = "POD_NAME", default_value = NAME)]
    pod: String,
    /// Where proxies are served
    #[arg(long, env = "ISTHMUS_GRPC", default_value_t = SocketAddr::from(([0, 0, 0, 0], GRPC_PORT)))]
    grpc: SocketAddr,
    /// Where the API server's admission reviews are answered
    #[arg(long, env = "ISTHMUS_WEBHOOK", default_value_t = SocketAddr::from(([0, 0, 0, 0], WEBHOOK_PORT)))]
    webhook: SocketAddr,
    /// Where the API server asks for TrafficMetrics
    #[arg(long, env = "ISTHMUS_METRICS_API", default_value_t = SocketAddr::from(([0, 0, 0, 0], METRICS_API_PORT)))]
    metrics_api: SocketAddr,
    /// Where the admin server listens
    #[arg(long, env = "ISTHMUS_ADMIN", default_value_t = SocketAddr::from(([0, 0, 0, 0], ADMIN_PORT)))]
    admin: SocketAddr,
    /// Where the mesh's bundle is published (SPIFFE bundle endpoint)
    #[arg(long, env = "ISTHMUS_BUNDLE_ENDPOINT", default_value_t = SocketAddr::from(([0, 0, 0, 0], BUNDLE_PORT)))]
    bundle_endpoint: SocketAddr,
    /// Certificate of a public authority for the bundle endpoint, PEM [default: it shows the controller's SPIFFE ID]
    #[arg(long, env = "ISTHMUS_BUNDLE_CERTIFICATE", requires = "bundle_key")]
    bundle_certificate: Option<PathBuf>,
    /// The key of that certificate, PEM
    #[arg(long, env = "ISTHMUS_BUNDLE_KEY", requires = "bundle_certificate")]
    bundle_key: Option<PathBuf>,
    /// How long a workload's certificate lives: from 5s to 8760h
    #[arg(long, env = "ISTHMUS_LEAF_LIFETIME", default_value = "24h", value_parser = lifetime::parse)]
    leaf_lifetime: Duration,
    /// Image of the sidecar
    #[arg(long, env = "ISTHMUS_PROXY_IMAGE", default_value = "isthmus/proxy")]
    proxy_image: String,
    /// Image of the init container that sets the redirect up
    #[arg(long, env = "ISTHMUS_INIT_IMAGE", default_value = "isthmus/init")]
    init_image: String,
    /// Log filter of the sidecars
    #[arg(long, env = "ISTHMUS_PROXY_LOG", default_value = "info")]
    proxy_log: String,
    /// Mark of the sidecars' sockets, where the kernel can't tell their user apart
    #[arg(long, env = "ISTHMUS_PROXY_MARK")]
    proxy_mark: Option<u32>,
    #[command(flatten)]
    traces: TracesArgs,
    #[command(flatten)]
    prometheus: PrometheusArgs,
}

/// [`PolicyMode`] on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Denied
    Enforce,
    /// Let through, counted and logged
    Audit,
    /// Let through
    Permissive,
}

pub(crate) fn run(log: &LogArgs, args: Box<ControllerArgs>) -> anyhow::Result<()> {
    let handle = log.for_service(Format::Json, "info")?;
    let traces = args.traces.traces()?;
    let mut config: Config = (*args).into();
    config.proxy_traces = traces;
    config.log_level = Some(handle);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { Ok(isthmus_smi_controller::run(config, signals::shutdown_token()?).await?) })
}

impl From<ControllerArgs> for Config {
    fn from(args: ControllerArgs) -> Self {
        let mut config = Self::new(args.trust_domain);
        config.mesh = args.mesh;
        config.cluster_domain = args.cluster_domain;
        config.policy_mode = match args.policy_mode {
            Mode::Enforce => PolicyMode::Enforce,
            Mode::Audit => PolicyMode::Audit,
            Mode::Permissive => PolicyMode::Permissive,
        };
        config.namespace = args.namespace;
        config.pod = args.pod;
        config.grpc_addr = args.grpc;
        config.webhook_addr = args.webhook;
        config.metrics_api_addr = args.metrics_api;
        config.bundle_addr = Some(args.bundle_endpoint);
        config.bundle_certificate = args.bundle_certificate.zip(args.bundle_key);
        config.admin_addr = Some(args.admin);
        config.leaf_lifetime = args.leaf_lifetime;
        config.proxy_image = args.proxy_image;
        config.init_image = args.init_image;
        config.proxy_log = args.proxy_log;
        config.proxy_mark = args.proxy_mark;
        config.prometheus = args.prometheus.into();
        config
    }
}
