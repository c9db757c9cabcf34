//! What the controller is told at its start.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use isthmus_core::{
    id::{InvalidId, ObjectName, SpiffeId, TrustDomain},
    inbound::PolicyMode,
    trace::{Protocol, Ratio},
};
use isthmus_identity::DEFAULT_LEAF_LIFETIME;

use crate::{ca::Names, names::is_name, telemetry::PrometheusConfig};

/// Port of the control and identity services (gRPC).
pub const GRPC_PORT: u16 = 15010;
/// Port of the admin server.
pub const ADMIN_PORT: u16 = 15014;
/// Port of the admission webhooks (HTTPS).
pub const WEBHOOK_PORT: u16 = 9443;
/// Port of the metrics API (HTTPS, for the API server alone).
pub const METRICS_API_PORT: u16 = 9444;
/// Port of the bundle endpoint (HTTPS, SPIFFE Federation).
pub const BUNDLE_PORT: u16 = 15016;
/// The namespace that the control plane is in by default.
pub const SYSTEM_NAMESPACE: &str = "isthmus-system";
/// The name of the controller's Deployment, Service, ServiceAccount and Lease.
pub const NAME: &str = "isthmus-controller";

/// All that a controller is told at its start. [`Config::new`] fills in the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// This mesh's name.
    pub mesh: String,
    /// Its trust domain.
    pub trust_domain: TrustDomain,
    /// The domain of the cluster's Service names.
    pub cluster_domain: String,
    /// What happens to requests that no TrafficTarget covers, where a Namespace doesn't say.
    pub policy_mode: PolicyMode,
    /// The namespace that the control plane is in.
    pub namespace: String,
    /// This replica's name, unique among them: its pod's.
    pub pod: String,
    /// Where proxies are served.
    pub grpc_addr: SocketAddr,
    /// Where the API server's admission reviews are answered.
    pub webhook_addr: SocketAddr,
    /// Where the API server asks for TrafficMetrics.
    pub metrics_api_addr: SocketAddr,
    /// Where the mesh's bundle is published; `None` for nowhere.
    pub bundle_addr: Option<SocketAddr>,
    /// Certificate and key (PEM files) of a public authority, by which the bundle endpoint is known (profile `https_web`); without,
    /// it is known by the controller's SPIFFE ID (`https_spiffe`).
    pub bundle_certificate: Option<(PathBuf, PathBuf)>,
    /// Where the admin server listens; `None` for none.
    pub admin_addr: Option<SocketAddr>,
    /// How long a workload's certificate lives.
    pub leaf_lifetime: Duration,
    /// Image of the sidecar.
    pub proxy_image: String,
    /// Image of the init container that sets the redirect up.
    pub init_image: String,
    /// Log filter of the sidecars.
    pub proxy_log: String,
    /// Mark of the sidecars' sockets, where the kernel can't tell their user apart (a user namespace of one user).
    pub proxy_mark: Option<u32>,
    /// Where sidecars send traces.
    pub proxy_traces: Traces,
    /// The Prometheus that TrafficMetrics are asked of; without, they are of the controller's own counts.
    pub prometheus: Option<PrometheusConfig>,
    /// Changes the running process's log filter, for `/log-level`.
    pub log_level: Option<isthmus_runtime::logging::Handle>,
}

/// Where sidecars send the spans of requests; what isn't said is the sidecar's own default.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    /// The collector's URL; `None`: nothing is traced, where no pod says otherwise.
    pub endpoint: Option<String>,
    /// How it is spoken to.
    pub protocol: Option<Protocol>,
    /// The share of traces that is recorded, where no namespace says otherwise.
    pub sampling: Option<Ratio>,
    /// Roots of the collector's certificate, PEM.
    pub roots: Option<String>,
    /// A Secret of each pod's own namespace, whose key `headers` has headers for the collector.
    pub headers_secret: Option<SecretName>,
}

/// The name of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName(String);

/// It can't be the name of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a Secret: write small letters, digits, `-` and `.`, 253 at most")]
pub struct InvalidSecretName(String);

impl SecretName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = InvalidSecretName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_name(text) { Ok(Self(text.to_owned())) } else { Err(InvalidSecretName(text.to_owned())) }
    }
}

impl Config {
    /// The configuration of a mesh's controller, with every optional part at its default.
    pub fn new(trust_domain: TrustDomain) -> Self {
        let on = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        Self {
            mesh: "isthmus".to_owned(),
            trust_domain,
            cluster_domain: "cluster.local".to_owned(),
            policy_mode: PolicyMode::Enforce,
            namespace: SYSTEM_NAMESPACE.to_owned(),
            pod: NAME.to_owned(),
            grpc_addr: on(GRPC_PORT),
            webhook_addr: on(WEBHOOK_PORT),
            metrics_api_addr: on(METRICS_API_PORT),
            bundle_addr: Some(on(BUNDLE_PORT)),
            bundle_certificate: None,
            admin_addr: Some(on(ADMIN_PORT)),
            leaf_lifetime: DEFAULT_LEAF_LIFETIME,
            proxy_image: "isthmus/proxy".to_owned(),
            init_image: "isthmus/init".to_owned(),
            proxy_log: "info".to_owned(),
            proxy_mark: None,
            proxy_traces: Traces::default(),
            prometheus: None,
            log_level: None,
        }
    }

    /// The controller's own identity, which proxies expect.
    pub fn identity(&self) -> Result<SpiffeId, InvalidId> {
        SpiffeId::for_service_account(&self.trust_domain, &self.namespace, NAME)
    }

    /// Where proxies find the controller.
    pub fn control_addr(&self) -> String {
        format!("{NAME}.{}.svc.{}:{GRPC_PORT}", self.namespace, self.cluster_domain)
    }

    /// Where the roots are.
    pub(crate) fn secrets(&self) -> Names {
        let name = |name: &str| ObjectName::new(self.namespace.as_str(), name);
        Names { wanted: name("isthmus-ca"), stored: name("isthmus-trust"), domain: self.trust_domain.clone() }
    }
}
