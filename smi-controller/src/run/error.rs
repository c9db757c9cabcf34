//! Why the controller can't start, or go on.

use std::net::SocketAddr;

use isthmus_core::{federation::InvalidName, id::InvalidId};
use isthmus_identity::{AuthorityError, BadBundle, BadSvid, KeypairError};
use isthmus_runtime::admin::AdminError;

use crate::{
    ca::CaError,
    telemetry::{BadTrust, PrometheusError},
    webhook::CertificateError,
};

/// Why the controller can't start, or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no way to the API server.
    #[error("no way to the Kubernetes API: {0}; run in a pod, or set KUBECONFIG")]
    Client(#[source] Box<kube::Error>),
    /// The same, by configuration.
    #[error("no way to the Kubernetes API: {0}; run in a pod, or set KUBECONFIG")]
    Kubeconfig(#[source] Box<kube::config::InferConfigError>),
    /// The admin server couldn't start.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A port couldn't be bound.
    #[error("{what} on {addr}: {source}; is the port taken?")]
    Bind {
        /// What wanted to listen.
        what: &'static str,
        /// Where.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The mesh's root can't be used.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The mesh's own name can't be one.
    #[error("the mesh's own name (--mesh): {0}")]
    OwnName(#[from] InvalidName),
    /// The names in the configuration make no SPIFFE ID.
    #[error("the controller's own identity: {0}")]
    OwnId(#[from] InvalidId),
    /// No key for the controller's own certificate.
    #[error("the controller's own key: {0}")]
    OwnKey(#[source] KeypairError),
    /// The root didn't sign the controller's own certificate.
    #[error("the controller's own certificate: {0}")]
    OwnCertificate(#[source] AuthorityError),
    /// What it signed can't be used.
    #[error("the controller's own certificate: {0}")]
    OwnSvid(#[source] BadSvid),
    /// The root can't be trusted.
    #[error("the mesh's root: {0}")]
    Root(#[from] BadBundle),
    /// TLS can't be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The webhooks have no certificate.
    #[error(transparent)]
    Webhooks(#[from] CertificateError),
    /// Nobody can be told from the API server.
    #[error("metrics API: {0}")]
    MetricsApi(#[from] BadTrust),
    /// Prometheus can't be asked.
    #[error(transparent)]
    Prometheus(#[from] PrometheusError),
    /// The bundle endpoint's certificate or key can't be used.
    #[error("bundle endpoint: {path}: {fault}; give PEM files by --bundle-certificate and --bundle-key, or neither")]
    BundleEndpoint {
        /// Which file, or both.
        path: String,
        /// What is wrong with it.
        fault: String,
    },
    /// A metric is there twice.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The gRPC server ended.
    #[error("gRPC server: {0}")]
    Grpc(#[from] tonic::transport::Error),
}
