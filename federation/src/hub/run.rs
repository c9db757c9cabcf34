//! The hub as a role: of several replicas the holder of the Lease serves, and the others wait.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use isthmus_core::{federation::MeshName, id::TrustDomain};
use isthmus_identity::MeshTls;
use isthmus_k8s::lease::{self, Claim};
use isthmus_runtime::{
    backoff::{Backoff, jitter},
    readiness::Ready,
};
use kube::Client;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Hub, Kubernetes, Metrics, ServeError, Store, serve};
use crate::names::HUB;

/// Pauses between attempts to read what was kept.
const LOAD_RETRY: Backoff = Backoff { base: Duration::from_millis(200), max: Duration::from_secs(10) };
/// How long sessions may take to end.
const END_LIMIT: Duration = Duration::from_secs(5);

/// What the hub is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// The mesh that it runs in.
    pub mesh: MeshName,
    /// That mesh's trust domain.
    pub trust_domain: TrustDomain,
    /// The namespace of its Lease.
    pub namespace: String,
    /// This replica's name.
    pub pod: String,
    /// Where members are served.
    pub listen: SocketAddr,
}

/// Why the hub can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port couldn't be bound.
    #[error("hub on {addr}: {source}; is the port taken?")]
    Bind {
        /// Where.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// It doesn't serve.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Serves members until `stop`, while this replica holds the Lease. `tls` has the hub's own certificate, and trusts its own
/// mesh's roots; the members' are added and removed here.
pub async fn run(
    config: Config,
    client: Client,
    tls: MeshTls,
    metrics: Metrics,
    ready: Ready,
    stop: CancellationToken,
) -> Result<(), Error> {
    let claim = Claim { namespace: config.namespace.clone(), name: HUB.to_owned(), holder: config.pod.clone() };
    let mut waiting = Some(ready.register("lease"));
    let (mut held, contender) = lease::contend(client.clone(), claim, stop.clone());
    let contender = tokio::spawn(contender);
    let outcome = loop {
        let ours = stop.run_until_cancelled(held.wait_for(|held| *held)).await;
        if ours.is_none_or(|held| held.is_err()) {
            break Ok(());
        }
        let until = stop.child_token();
        let lost = until.clone();
        let mut watched = held.clone();
        let watching = tokio::spawn(async move {
            // The sender is gone when the hub is.
            let _ = lost.run_until_cancelled(watched.wait_for(|held| !*held)).await;
            lost.cancel();
        });
        let term = serve_while_held(&config, &client, &tls, &metrics, &until, || waiting = None).await;
        until.cancel();
        let _ = watching.await;
        if let Err(error) = term {
            break Err(error);
        }
        if !stop.is_cancelled() {
            tracing::warn!("the lease was lost: another replica serves");
            waiting = Some(ready.register("lease"));
        }
    };
    stop.cancel();
    // Or the next replica has to wait until the lease has run out.
    let _ = tokio::time::timeout(END_LIMIT, contender).await;
    drop(waiting);
    outcome
}

async fn serve_while_held(
    config: &Config,
    client: &Client,
    tls: &MeshTls,
    metrics: &Metrics,
    until: &CancellationToken,
    serving: impl FnOnce(),
) -> Result<(), Error> {
    let addr = config.listen;
    let listener = TcpListener::bind(addr).await.map_err(|source| Error::Bind { addr, source })?;
    let store = Kubernetes::new(client.clone(), until.clone());
    let Some(hub) = load(config, store, tls, metrics, until).await else { return Ok(()) };
    let hub = Arc::new(hub);
    let housekeeper = Arc::clone(&hub);
    let ended = until.clone();
    let housekeeping = tokio::spawn(async move { housekeeper.keep_house(ended).await });
    serving();
    tracing::info!(%addr, members = hub.with(|state| state.members().len()), "hub serves");
    let served = serve(hub, listener, tls, until.clone());
    tokio::pin!(served);
    let outcome = tokio::select! {
        outcome = &mut served => outcome,
        () = until.cancelled() => tokio::time::timeout(END_LIMIT, served).await.unwrap_or(Ok(())),
    };
    until.cancel();
    let _ = housekeeping.await;
    Ok(outcome?)
}

/// Until the API server answers. `None`: the lease was lost, or the hub stops.
async fn load<S: Store + Clone>(
    config: &Config,
    store: S,
    tls: &MeshTls,
    metrics: &Metrics,
    until: &CancellationToken,
) -> Option<Hub<S>> {
    let loading = async {
        let mut attempt = 0;
        loop {
            let (mesh, domain) = (config.mesh.clone(), config.trust_domain.clone());
            let hub = Hub::load(mesh, domain, store.clone(), Arc::clone(tls.roots()), metrics.clone()).await;
            match hub {
                Ok(hub) => return hub,
                Err(error) => {
                    tracing::warn!(%error, "the members can't be read: trying again");
                }
            }
            tokio::time::sleep(LOAD_RETRY.delay(attempt, jitter())).await;
            attempt = attempt.saturating_add(1);
        }
    };
    until.run_until_cancelled(loading).await
}
