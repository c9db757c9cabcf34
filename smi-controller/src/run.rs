//! The wiring: which tasks there are, and what they share.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use isthmus_api::listen::{self, Room};
use isthmus_core::{
    federation::{InvalidName, MeshName},
    id::InvalidId,
};
use isthmus_federation::bundle_endpoint::web_config;
use isthmus_identity::{
    Authority, AuthorityError, BadBundle, BadSvid, ClientCerts, KeypairError, MeshTls, SvidCell, TrustStore,
};
use isthmus_k8s::lease::{self, Claim};
use isthmus_runtime::{
    admin::{Admin, AdminError},
    backoff::{Backoff, jitter},
    build,
    readiness::Ready,
};
use kube::Client;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::Validator,
    ca::{self, CaError, Keeper, Parts, Role, Roots, SharedRoots, TrustMetrics},
    compile::Settings,
    config::{Config, NAME},
    federation::{self, FederationMetrics},
    https, identity,
    index::Index,
    inject::Injector,
    metrics::Metrics,
    replicas::{self, Everywhere, Reporter, Together},
    serve::{Certifier, ControlService, Hub, KubeTokens, Registry, let_splits_go},
    status::{Shares, Writer},
    telemetry::{self, BadTrust, FrontProxy, Prometheus, PrometheusError, Source, Sources, Traffic},
    watches,
    webhook::{self, Certificate, CertificateError},
};

/// Pauses between attempts to read the roots.
const CA_RETRY: Backoff = Backoff { base: Duration::from_millis(200), max: Duration::from_secs(10) };
/// A connection without traffic is asked for a sign of life after this…
const KEEPALIVE: Duration = Duration::from_secs(20);
/// …and given up after this.
const KEEPALIVE_LIMIT: Duration = Duration::from_secs(10);
/// Connections of proxies at a time. One without a certificate asks for its first.
const ROOM: Room = Room { all: 20_000, strangers: 20_000, each: 20_000, stay: Duration::from_secs(60) };
/// Most streams of one connection: a proxy needs two.
const MAX_STREAMS: u32 = 16;
/// How long tasks may take to end.
const END_LIMIT: Duration = Duration::from_secs(5);

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

/// Runs the controller until `shutdown`, with the Kubernetes API that its surroundings name.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    let kubernetes = kube::Config::infer().await.map_err(|error| Error::Kubeconfig(Box::new(error)))?;
    let client = Client::try_from(kubernetes).map_err(|error| Error::Client(Box::new(error)))?;
    run_with(config, client, shutdown).await
}

/// Runs the controller until `shutdown`, with this Kubernetes API.
pub async fn run_with(config: Config, client: Client, shutdown: CancellationToken) -> Result<(), Error> {
    let name = config.mesh.parse::<MeshName>()?;
    let ready = Ready::new();
    let registry = prometheus::Registry::new();
    build::register(&registry, "controller")?;
    let metrics = Metrics::register(&registry)?;
    let trust = TrustMetrics::register(&registry)?;
    let federated = FederationMetrics::register(&registry)?;
    let (starting, root_written) = (ready.register("start"), ready.register("webhook configurations"));
    let admin = Admin::new(ready.clone(), registry, config.log_level.clone());
    let _admin = config.admin_addr.map(|addr| admin.start(addr)).transpose()?;
    let grpc = bind("gRPC server", config.grpc_addr).await?;
    let webhooks = bind("webhook server", config.webhook_addr).await?;
    let metrics_api = bind("metrics API", config.metrics_api_addr).await?;

    let Some(roots) = load_roots(&config, &client, &shutdown).await? else { return Ok(()) };
    let (sender, roots) = watch::channel(Arc::new(roots));
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let mesh = Mesh { name, config, client, roots, metrics, stop: stop.clone(), tasks: tasks.clone() };
    let hub = mesh.follow();
    let claim =
        Claim { namespace: mesh.config.namespace.clone(), name: NAME.to_owned(), holder: mesh.config.pod.clone() };
    let (leader, contender) = lease::contend(mesh.client.clone(), claim, stop.clone());
    tasks.spawn(contender);
    let certificate = mesh.certify_for_api_server()?;
    mesh.answer_reviews(webhooks, &certificate)?;
    let (written, webhooks) = watch::channel(0);
    let keeping = webhook::keep_bundle(
        (mesh.client.clone(), mesh.config.namespace.clone()),
        mesh.roots.clone(),
        leader.clone(),
        root_written,
        written,
        stop.clone(),
    );
    tasks.spawn(keeping);
    let (client, namespace) = (mesh.client.clone(), mesh.config.namespace.clone());
    tasks.spawn(ca::publish(client, namespace, mesh.roots.clone(), leader.clone(), stop.clone()));

    let listener = Arc::new(TrustStore::with(&[mesh.roots.borrow().bundle()])?);
    let svid = mesh.certify_self(|roots| roots.elder().clone())?;
    mesh.publish_bundle(&svid).await?;
    let tls = MeshTls::new(listener.clone(), svid.clone());
    let traffic = Arc::new(Traffic::new(hub.clone(), mesh.metrics.clone()));
    let server = mesh.serve_proxies(hub.clone(), traffic.clone(), grpc, &tls)?;
    let replicas = mesh.follow_replicas(hub.clone(), tls)?;
    let prometheus = mesh.ask_prometheus(&hub)?;
    let taps = Everywhere::new(replicas.clone());
    let own = Arc::new(Together::new(traffic, replicas));
    let shares = Arc::new(Shares::new(hub.clone(), own.clone()));
    tasks.spawn(shares.clone().run(stop.clone()));
    let writer = Writer::new(hub.clone(), mesh.client.clone(), leader.clone(), &mesh.metrics, shares);
    tasks.spawn(writer.run(stop.clone()));
    let sources = Sources { own, prometheus };
    mesh.answer_metrics(metrics_api, hub.clone(), sources, taps, certificate)?;
    let (standings, peers) = watch::channel(Vec::new());
    let (keeper, speaker) = ca::between();
    let index = hub.clone();
    let voice = move |roots: &Roots| index.with(|registry| Role::here(registry.index())).voice(roots).clone();
    let others = federation::Parts {
        hub: hub.clone(),
        client: mesh.client.clone(),
        leader: leader.clone(),
        roots: mesh.roots.clone(),
        svid: mesh.certify_self(voice)?,
        peers: standings,
        others: speaker,
        names: mesh.config.secrets(),
        metrics: federated,
    };
    tasks.spawn(federation::Task::new(others, mesh.name.clone(), &mesh.config).run(stop.clone()));
    let keeper = Keeper::new(Parts {
        client: mesh.client.clone(),
        names: mesh.config.secrets(),
        leaf_lifetime: mesh.config.leaf_lifetime,
        hub: hub.clone(),
        leader,
        roots: sender,
        listener,
        webhooks,
        peers,
        others: keeper,
        metrics: trust,
    });
    tasks.spawn(keeper.run(stop.clone()));
    let mut server = std::pin::pin!(server);
    let synced = async {
        hub.synced().await;
        drop(starting);
        tracing::info!("everything is known: serving");
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        result = server.as_mut() => Some(result),
        () = synced => None,
        () = shutdown.cancelled() => None,
    };
    ready.stop();
    stop.cancel();
    tasks.close();
    let ending = async {
        tasks.wait().await;
        match ended {
            Some(result) => result,
            None => server.await,
        }
    };
    match tokio::time::timeout(END_LIMIT, ending).await {
        Ok(result) => Ok(result?),
        Err(_) => {
            tracing::warn!("some connections and tasks didn't end in time");
            Ok(())
        }
    }
}

/// What the tasks share.
struct Mesh {
    name: MeshName,
    config: Config,
    client: Client,
    roots: SharedRoots,
    metrics: Metrics,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Mesh {
    /// Watches the cluster.
    fn follow(&self) -> Arc<Hub> {
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
    fn certify_for_api_server(&self) -> Result<Arc<Certificate>, Error> {
        let namespace = &self.config.namespace;
        let names =
            vec![format!("{NAME}.{namespace}.svc"), format!("{NAME}.{namespace}.svc.{}", self.config.cluster_domain)];
        let certificate = Certificate::new(self.roots.borrow().signer(), &names)?;
        self.tasks.spawn(certificate.clone().renew(self.roots.clone(), names, self.stop.clone()));
        Ok(certificate)
    }

    fn answer_reviews(&self, listener: TcpListener, certificate: &Arc<Certificate>) -> Result<(), Error> {
        let server = webhook::Server {
            tls: certificate.server_config()?,
            injector: Injector::new(&self.config, self.roots.clone())?,
            validator: Validator { cluster_domain: self.config.cluster_domain.clone() },
            reviews: self.metrics.reviews.clone(),
        };
        self.tasks.spawn(https::serve("webhooks", listener, Arc::new(server), self.stop.clone()));
        Ok(())
    }

    fn ask_prometheus(&self, hub: &Arc<Hub>) -> Result<Option<Arc<dyn Source>>, Error> {
        let Some(config) = &self.config.prometheus else { return Ok(None) };
        tracing::info!(url = %config.url, "TrafficMetrics come from Prometheus");
        Ok(Some(Arc::new(Prometheus::new(config, self.config.trust_domain.clone(), hub.clone())?)))
    }

    fn answer_metrics(
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

    /// The controller's own certificate, which is renewed from now on.
    /// A certificate for ourselves, by the root that is chosen each time.
    fn certify_self(&self, choose: impl Fn(&Roots) -> Arc<Authority> + Send + 'static) -> Result<Arc<SvidCell>, Error> {
        let (id, lifetime) = (self.config.identity()?, self.config.leaf_lifetime);
        let cell = Arc::new(SvidCell::new());
        let first = choose(&self.roots.borrow());
        cell.set(identity::issue(&first, &id, lifetime)?);
        let (roots, stop) = (self.roots.clone(), self.stop.clone());
        self.tasks.spawn(identity::renew(roots, choose, cell.clone(), first.root(), id, lifetime, stop));
        Ok(cell)
    }

    /// Publishes the bundle for those who ask.
    async fn publish_bundle(&self, svid: &Arc<SvidCell>) -> Result<(), Error> {
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
    fn follow_replicas(&self, hub: Arc<Hub>, tls: MeshTls) -> Result<Arc<replicas::Parts>, Error> {
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

    fn serve_proxies(
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

async fn bind(what: &'static str, addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr).await.map_err(|source| Error::Bind { what, addr, source })
}

/// Until the API server answers. A Secret that is there but wrong is for its owner to mend: then the process ends.
async fn load_roots(config: &Config, client: &Client, shutdown: &CancellationToken) -> Result<Option<Roots>, Error> {
    let mut attempt = 0;
    loop {
        match ca::load(client, &config.secrets(), config.leaf_lifetime).await {
            Ok(roots) => return Ok(Some(roots)),
            Err(error @ CaError::Kubernetes { .. }) => tracing::warn!(%error, "no root yet: trying again"),
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = tokio::time::sleep(CA_RETRY.delay(attempt, jitter())) => {}
            () = shutdown.cancelled() => return Ok(None),
        }
        attempt = attempt.saturating_add(1);
    }
}
