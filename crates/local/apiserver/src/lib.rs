//! A Kubernetes-compatible API server over an ordered in-memory store.
//!
//! [`ApiServer::serve`] answers on a listener; [`ApiServer::kubeconfig`] is what `kubectl` needs to reach it.
//! The way of a request: [`http`] (TLS, HTTP) → `dispatch` (who, may they, what) → `rest` (the verbs) or `discovery`,
//! `subresource`, `remote` → `present` (the form that the client asked for). The way of a write, within `rest`:
//! incoming → admission → defaults, validation → `convert` → store → `react`.
//!
//! It is for development and tests, and knows one Kubernetes version, 1.32. It knows nothing of who runs Pods: a node
//! registers itself, and controllers come with clients of their own.

mod admission;
mod auth;
mod bootstrap;
mod call;
mod callouts;
mod cidr;
mod convert;
mod core;
mod crd;
mod discovery;
mod dispatch;
mod http;
mod ids;
mod kubeconfig;
mod limits;
mod metrics;
mod pki;
mod plain;
mod present;
mod react;
mod registry;
mod remote;
mod rest;
mod subresource;

use std::path::PathBuf;
use std::sync::Arc;

use isthmus_local_callout::{Dial, TlsError};
use isthmus_local_store::{Store, StoreError};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
pub use tokio_util::sync::CancellationToken;

pub use cidr::{InvalidCidr, ServiceCidr};
pub use limits::Limits;
pub use pki::{KeyPairPem, Pki, PkiError};

use crate::core::Core;

/// What an API server needs.
pub struct Config {
    /// Where objects are kept over restarts; none keeps them in memory only.
    pub data_dir: Option<PathBuf>,
    /// Keys and certificates. Keep them beside the objects, or tokens and client certificates end with the process.
    pub pki: Pki,
    /// The range of ClusterIPs; its first address is the `kubernetes` Service's.
    pub service_cidr: ServiceCidr,
    /// Connects to pods and kubelets: webhooks, aggregated API servers, logs, exec.
    pub pod_dialer: Arc<dyn Dial>,
    /// What clients may take.
    pub limits: Limits,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A certificate of the [`Pki`] can't be used for TLS.
    #[error("{what} can't be used for TLS: delete the key directory to have new ones made")]
    UnusableCertificate {
        /// Which.
        what: &'static str,
    },
    /// A client certificate of the [`Pki`] can't be used for TLS.
    #[error("the client certificates: {0}")]
    ClientCertificate(#[from] TlsError),
    /// TLS could not be set up.
    #[error("TLS: {source}")]
    Tls {
        /// Why.
        source: rustls::Error,
    },
}

/// The server. Clones share it.
#[derive(Clone)]
pub struct ApiServer {
    core: Arc<Core>,
    tls: TlsAcceptor,
    availability: Arc<std::sync::Once>,
}

impl ApiServer {
    /// Opens the store and makes what every cluster has: namespaces, roles, the `kubernetes` Service.
    ///
    /// # Errors
    /// When the store can't be opened or the certificates can't be used.
    pub fn new(config: Config) -> Result<Self, Error> {
        let Config { data_dir, pki, service_cidr, pod_dialer, limits } = config;
        let store = Store::open(data_dir.as_deref(), limits.store.clone())?;
        if let Some(cut) = store.cut() {
            tracing::warn!(?cut, "the store's log ended in the middle of a write, which is dropped");
        }
        let unusable = || Error::UnusableCertificate { what: "the ServiceAccount key" };
        let signer = auth::token::Signer::new(&pki.service_account_key_der()).ok_or_else(unusable)?;
        let tls = TlsAcceptor::from(Arc::new(http::tls::server_config(&pki)?));
        let callouts = callouts::Callouts::new(pod_dialer, store.clone(), &pki)?;
        let core = Arc::new(Core {
            durable: data_dir.is_some(),
            registry: registry::Registry::default(),
            signer,
            limits,
            services: service_cidr,
            callouts,
            metrics: metrics::Metrics::default(),
            address_lock: tokio::sync::Mutex::default(),
            store,
            pki,
        });
        bootstrap::bootstrap(&core)?;
        Ok(Self { core, tls, availability: Arc::new(std::sync::Once::new()) })
    }

    /// Answers on `listener` until `shutdown`; watches then end, and open requests get [`Limits::drain_time`].
    /// May be called for several listeners, at the same time.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        let mut first = false;
        self.availability.call_once(|| first = true);
        let probes = async {
            if first {
                remote::watch_availability(self.core.clone(), shutdown.clone()).await;
            }
        };
        let serving = http::connection::serve(self.core.clone(), listener, self.tls.clone(), shutdown.clone());
        tokio::join!(serving, probes);
    }

    /// An administrator's kubeconfig for `server_url`, as YAML, with the certificates in it. A secret.
    pub fn kubeconfig(&self, server_url: &str) -> String {
        kubeconfig::render(&self.core.pki, server_url)
    }

    /// The keys and certificates, to issue more of them.
    pub fn pki(&self) -> &Pki {
        &self.core.pki
    }
}
