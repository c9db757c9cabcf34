//! The task: on the replica that leads, and on no other.

use std::{sync::Arc, time::Duration};

use isthmus_identity::{PeerStanding, SvidCell};
use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{FederationMetrics, lead::Lead, offer::Own};
use crate::{
    ca::{Names, SharedRoots, SpeakerEnd},
    config::Config,
    serve::Hub,
};

/// Pause after what was kept couldn't be read.
const RETRY: Duration = Duration::from_secs(1);

/// What it is made of.
pub(crate) struct Parts {
    pub(crate) hub: Arc<Hub>,
    pub(crate) client: Client,
    pub(crate) leader: watch::Receiver<bool>,
    pub(crate) roots: SharedRoots,
    /// The controller's own certificate.
    pub(crate) svid: Arc<SvidCell>,
    /// How far peers are with this mesh's roots.
    pub(crate) peers: watch::Sender<Vec<PeerStanding>>,
    /// What is between this cluster and the mesh's others.
    pub(crate) others: SpeakerEnd,
    /// Where the roots are.
    pub(crate) names: Names,
    pub(crate) metrics: FederationMetrics,
}

/// Speaks to other meshes while this replica leads.
pub(crate) struct Task {
    parts: Parts,
    own: Own,
    namespace: String,
}

impl Task {
    pub(crate) fn new(parts: Parts, mesh: isthmus_core::federation::MeshName, config: &Config) -> Self {
        let own = Own { mesh, trust_domain: config.trust_domain.clone() };
        Self { parts, own, namespace: config.namespace.clone() }
    }

    /// Until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let work = async {
            self.parts.hub.synced().await;
            // The sender lives as long as the contender for the lease.
            while self.parts.leader.wait_for(|leads| *leads).await.is_ok() {
                let mut leader = self.parts.leader.clone();
                tokio::select! {
                    () = Self::lead(&self.parts, &self.own, &self.namespace) => {}
                    _ = leader.wait_for(|leads| !*leads) => {}
                }
                self.parts.metrics.clear();
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    /// For as long as it is polled.
    async fn lead(parts: &Parts, own: &Own, namespace: &str) {
        loop {
            match Lead::begin(parts, own, namespace).await {
                Ok(lead) => lead.run().await,
                Err(error) => tracing::warn!(%error, "couldn't read what is kept of other meshes: trying again"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}
