//! What the tasks share, and those that each answer for one thing.

use std::{path::Path, sync::Arc, time::Duration};

use isthmus_api::listen::{self, Room};
use isthmus_core::federation::MeshName;
use isthmus_federation::bundle_endpoint::web_config;
use isthmus_identity::{Authority, ClientCerts, MeshTls, SvidCell, TrustStore};
use kube::Client;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Error, bind};
use crate::{
    admission::Validator,
    ca::{Roots, SharedRoots},
    compile::Settings,
    config::{Config, NAME},
    federation, https, identity,
    index::Index,
    inject::Injector,
    metrics::Metrics,
    replicas::{self, Everywhere, Reporter},
    serve::{Certifier, ControlService, Hub, KubeTokens, Registry, let_splits_go},
    telemetry::{self, FrontProxy, Prometheus, Source, Sources, Traffic},
    watches,
    webhook::{self, Certificate},
};

/// A connection without traffic is asked for a sign of life after this…
const KEEPALIVE: Duration = Duration::from_secs(20);
/// …and given up after this.
const KEEPALIVE_LIMIT: Duration = Duration::from_secs(10);
/// Connections of proxies at a time. One without a certificate asks for its first.
const ROOM: Room = Room { all: 20_000, strangers: 20_000, each: 20_000, stay: Duration::from_secs(60) };
/// Most streams of one connection: a proxy needs two.
const MAX_STREAMS: u32 = 16;

/// What the tasks share.
pub(super) struct Mesh {
    pub(super) name: MeshName,
    pub(super) config: Config,
    pub(super) client: Client,
    pub(super) roots: SharedRoots,
    pub(super) metrics: Metrics,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Mesh {
    /// Watches the cluster.
    pub(super) fn follow(&self) -> Arc<Hub> {
        let settings = Settings {
            mesh: self.name.clone(),
            namespace: self.config.namespace.as_str().into(),
            tokens: self.roots.borrow().tokens().key(),
            trust_domain: self.config.trust_domain.clone(),
            cluster_domain: self.config.cluster_domain.as_str().into(),
            mode: self.config.policy_mode,
        };
        let registry = Registry::new(Index::new(settings), vec![self.roots.borrow().bundle()]);
        let hub = Arc::new(Hub::new(registry, self.metrics.clone()));
        let updates = watches::start(&self.client, &self.tasks, &self.stop);
        let follower = hub.clone();
        self.tasks.spawn(async move { follower.follow(updates).await });
        self.tasks.spawn(let_splits_go(hub.clone(), self.client.clone(), self.stop.clone()));
        hub
    }

    /// For what the API server asks: admission reviews, and TrafficMetrics.
    pub(super) fn certify_for_api_server(&self) -> Result<Arc<Certificate>, Error> {
        let namespace = &self.config.namespace;
        let names =
            vec![format!("{NAME}.{namespace}.svc"), format!("{NAME}.{namespace}.svc.{}", self.config.cluster_domain)];
        let certificate = Certificate::new(self.roots.borrow().signer(), &names)?;
        self.tasks.spawn(certificate.clone().renew(self.roots.clone(), names, self.stop.clone()));
        Ok(certificate)
    }

    pub(super) fn answer_reviews(&self, listener: TcpListener, certificate: &Arc<Certificate>) -> Result<(), Error> {
        let server = webhook::Server {
            tls: certificate.server_config()?,
            injector: Injector::new(&self.config, self.roots.clone())?,
            validator: Validator { cluster_domain: self.config.cluster_domain.clone() },
            reviews: self.metrics.reviews.clone(),
        };
        self.tasks.spawn(https::serve("webhooks", listener, Arc::new(server), self.stop.clone()));
        Ok(())
    }

    pub(super) fn ask_prometheus(&self, hub: &Arc<Hub>) -> Result<Option<Arc<dyn Source>>, Error> {
        let Some(config) = &self.config.prometheus else { return Ok(None) };
        tracing::info!(url = %config.url, "TrafficMetrics come from Prometheus");
        Ok(Some(Arc::new(Prometheus::new(config, self.config.trust_domain.clone(), hub.clone())?)))
    }

    pub(super) fn answer_metrics(
        &self,
        listener: TcpListener,
        hub: Arc<Hub>,
        sources: Sources,
        taps: Everywhere,
        certificate: Arc<Certificate>,
    ) -> Result<(), Error> {
        let front_proxy = Arc::new(FrontProxy::new(certificate)?);
        self.tasks.spawn(front_proxy.clone().follow(self.client.clone(), self.stop.clone()));
        let server = telemetry::Server { front_proxy, hub, client: self.client.clone(), sources, taps };
        self.tasks.spawn(https::serve("metrics API", listener, Arc::new(server), self.stop.clone()));
        Ok(())
    }

    /// The controller's own certificate, by the root that is chosen each time; it is renewed from now on.
    pub(super) fn certify_self(
        &self,
        choose: impl Fn(&Roots) -> Arc<Authority> + Send + 'static,
    ) -> Result<Arc<SvidCell>, Error> {
        let (id, lifetime) = (self.config.identity()?, self.config.leaf_lifetime);
        let cell = Arc::new(SvidCell::new());
        let first = choose(&self.roots.borrow());
        cell.set(identity::issue(&first, &id, lifetime)?);
        let (roots, stop) = (self.roots.clone(), self.stop.clone());
        self.tasks.spawn(identity::renew(roots, choose, cell.clone(), first.root(), id, lifetime, stop));
        Ok(cell)
    }

    /// Publishes the bundle for those who ask.
    pub(super) async fn publish_bundle(&self, svid: &Arc<SvidCell>) -> Result<(), Error> {
        let Some(addr) = self.config.bundle_addr else { return Ok(()) };
        let tls = match &self.config.bundle_certificate {
            Some((certificate, key)) => {
                let both = format!("{} and {}", certificate.display(), key.display());
                let (certificate, key) = (read(certificate)?, read(key)?);
                web_config(&certificate, &key).map_err(|fault| Error::BundleEndpoint { path: both, fault })?
            }
            // Nobody is asked who they are: what is published is for everybody.
            None => MeshTls::new(Arc::new(TrustStore::new()), svid.clone())
                .server_config(&[b"http/1.1"], ClientCerts::Optional)?,
        };
        let listener = bind("bundle endpoint", addr).await?;
        self.tasks.spawn(federation::publish(listener, tls, self.roots.clone(), self.stop.clone()));
        Ok(())
    }

    /// Hears what other replicas know of the proxies that are connected to them.
    pub(super) fn follow_replicas(&self, hub: Arc<Hub>, tls: MeshTls) -> Result<Arc<replicas::Parts>, Error> {
        let parts = Arc::new(replicas::Parts {
            hub,
            tls,
            identity: self.config.identity()?,
            replica: self.config.pod.clone(),
            port: self.config.grpc_addr.port(),
            count: self.metrics.replicas.clone(),
        });
        self.tasks.spawn(replicas::follow_others(parts.clone(), self.stop.clone()));
        Ok(parts)
    }

    pub(super) fn serve_proxies(
        &self,
        hub: Arc<Hub>,
        traffic: Arc<Traffic>,
        listener: TcpListener,
        tls: &MeshTls,
    ) -> Result<impl Future<Output = Result<(), tonic::transport::Error>> + use<>, Error> {
        let config = &self.config;
        let tls = tls.server_config(&[b"h2"], ClientCerts::Optional)?;
        let connections = listen::listen(listener, tls, ROOM, self.stop.clone());
        let tokens = KubeTokens(self.client.clone());
        let certificates = self.metrics.certificates.clone();
        Ok(tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE_LIMIT))
            .max_concurrent_streams(Some(MAX_STREAMS))
            .add_service(ControlService::server(
                hub.clone(),
                config.trust_domain.clone(),
                traffic.clone(),
                self.stop.clone(),
            ))
            .add_service(Reporter::server(hub.clone(), config.identity()?, traffic, self.stop.clone()))
            .add_service(Certifier::server(hub, tokens, self.roots.clone(), config.leaf_lifetime, certificates))
            .serve_with_incoming_shutdown(connections, self.stop.clone().cancelled_owned()))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed =
        |error: std::io::Error| Error::BundleEndpoint { path: path.display().to_string(), fault: error.to_string() };
    std::fs::read(path).map_err(failed)
}
