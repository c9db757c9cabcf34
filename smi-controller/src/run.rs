//! The wiring: which tasks there are, and what they share.

mod error;
mod mesh;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use isthmus_core::federation::MeshName;
use isthmus_identity::{MeshTls, TrustStore};
use isthmus_k8s::lease::{self, Claim};
use isthmus_runtime::{
    admin::Admin,
    backoff::{Backoff, jitter},
    build,
    readiness::Ready,
};
use kube::Client;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::error::Error;
use self::mesh::Mesh;
use crate::{
    ca::{self, CaError, Keeper, Parts, Role, Roots, TrustMetrics},
    config::{Config, NAME},
    federation::{self, FederationMetrics},
    metrics::Metrics,
    replicas::{Everywhere, Together},
    status::{Shares, Writer},
    telemetry::{Sources, Traffic},
    webhook,
};

/// Pauses between attempts to read the roots.
const CA_RETRY: Backoff = Backoff { base: Duration::from_millis(200), max: Duration::from_secs(10) };
/// How long tasks may take to end.
const END_LIMIT: Duration = Duration::from_secs(5);

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
