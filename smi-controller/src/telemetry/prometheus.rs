//! TrafficMetrics out of a Prometheus server that scrapes the proxies.

mod client;
mod config;
mod expression;
mod read;

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use isthmus_core::id::TrustDomain;

use self::client::Client;
use super::{
    source::{Answer, Query, Source, SourceError},
    traffic::mesh_of,
};
use crate::serve::Hub;
pub use config::{BadUrl, PrometheusConfig, PrometheusError, PrometheusUrl};

/// Asks for what the proxies of one mesh have counted.
pub(crate) struct Prometheus {
    client: Client,
    trust_domain: TrustDomain,
    /// Knows the names of other meshes.
    hub: Arc<Hub>,
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Prometheus {
    pub(crate) fn new(
        config: &PrometheusConfig,
        trust_domain: TrustDomain,
        hub: Arc<Hub>,
    ) -> Result<Self, PrometheusError> {
        Ok(Self { client: Client::new(config)?, trust_domain, hub })
    }
}

impl Source for Prometheus {
    fn observe(&self, query: Query) -> BoxFuture<'_, Result<Answer, SourceError>> {
        Box::pin(async move {
            let reply = self.client.query(&expression::of(&query, &self.trust_domain)).await?;
            let observations = self.hub.with(|registry| {
                let mesh_of = |domain: &str| mesh_of(registry.index(), domain);
                read::observations(query.direction, reply.samples, &mesh_of)
            });
            Ok(Answer { observations, warnings: reply.warnings })
        })
    }
}
