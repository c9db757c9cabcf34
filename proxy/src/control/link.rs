//! What all parts of the controller's client share.

use std::sync::Arc;

use isthmus_identity::{BadBundle, MeshTls, SvidCell, TrustStore};

use super::{Config, Metrics, saved};
use crate::reach::Reach;

/// A process's tie to its controller: where that is, and TLS by the identity and the roots that come from it.
#[derive(Debug)]
pub struct Link {
    pub(super) config: Config,
    pub(super) metrics: Metrics,
    pub(crate) tls: MeshTls,
    pub(crate) reach: Arc<Reach>,
}

impl Link {
    /// Begins with the saved roots, or with those of the configuration, and without a certificate.
    pub fn new(config: Config, metrics: Metrics) -> Result<Self, BadBundle> {
        let roots = saved::first(&config)?;
        let tls = MeshTls::new(Arc::new(TrustStore::with(&[roots])?), Arc::new(SvidCell::new()));
        Ok(Self { config, metrics, tls, reach: Arc::new(Reach::new()) })
    }

    /// The process's certificate and the roots, as they come.
    pub fn tls(&self) -> &MeshTls {
        &self.tls
    }
}
