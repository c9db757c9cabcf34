//! The node: a kubelet's work for the pods of one API server.

mod links;
mod object;
mod pods;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::dns::{self, Zone};
use crate::events::Events;
use crate::ipam::Ipam;
use crate::leftovers;
use crate::objects::Objects;
use crate::pod::Context;
use crate::router::Router;
use crate::services;
use crate::volume::PodDns;
pub(crate) use pods::Pods;

/// Where programs are looked for when the node itself has no PATH.
const FALLBACK_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A running node. Dropping it without [`Node::shutdown`] kills its pods' processes.
pub struct Node {
    pub(crate) context: Arc<Context>,
    pub(crate) pods: Arc<Pods>,
    tasks: TaskTracker,
    /// Ends everything that isn't a pod.
    stop: CancellationToken,
}

/// Why a node can't start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The state directory is in use, or can't be written.
    #[error("state directory: {0}")]
    StateDirectory(#[source] io::Error),
    /// The cluster's DNS server can't listen.
    #[error("cluster DNS: {0}")]
    Dns(#[source] io::Error),
}

impl Node {
    /// Starts the node: its object and Lease, cluster DNS, service addresses, and every pod that is bound to it.
    ///
    /// # Errors
    /// Only what lies with this machine; an API server that doesn't answer yet is waited for.
    pub async fn start(config: Config, router: Arc<Router>) -> Result<Self, NodeError> {
        leftovers::claim(&config.state_dir).map_err(NodeError::StateDirectory)?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let client = config.client.clone();
        let objects = Objects::watch(&client, &tasks, &stop);
        let events = Events::start(client, config.name.clone(), &tasks, stop.clone());
        let range = router.config().pod_cidr;
        let (zone, zones) = watch::channel(Arc::new(Zone::new(&config.cluster_domain, range)));
        let server = dns::serve(&router, zones).await.map_err(NodeError::Dns)?;
        let context = Arc::new(Context {
            dns: PodDns { server: router.config().dns_ip, domain: config.cluster_domain.clone() },
            ipam: Arc::new(Ipam::new(range)),
            path: std::env::var_os("PATH").unwrap_or_else(|| FALLBACK_PATH.into()),
            shutdown: CancellationToken::new(),
            config,
            router,
            objects,
            events,
        });
        let pods = Arc::new(Pods::default());
        let background = |task: futures::future::BoxFuture<'static, ()>| {
            let stop = stop.clone();
            tasks.spawn(async move { stop.run_until_cancelled(task).await });
        };
        background(Box::pin(server));
        background(Box::pin(network(Arc::clone(&context), zone)));
        background(Box::pin(links::follow(Arc::clone(&context))));
        background(Box::pin(object::keep(Arc::clone(&context))));
        background(Box::pin(pods::follow(Arc::clone(&context), Arc::clone(&pods))));
        Ok(Node { context, pods, tasks, stop })
    }

    /// Ends all pods' processes, within the deadline, and stops. The pods stay in the API.
    pub async fn shutdown(self, deadline: Duration) {
        self.context.shutdown.cancel();
        if tokio::time::timeout(deadline, self.pods.end()).await.is_err() {
            tracing::warn!(?deadline, "pods were still ending; they are killed");
        }
        object::not_ready(&self.context).await;
        self.stop.cancel();
        self.tasks.close();
        let _late = tokio::time::timeout(Duration::from_secs(2), self.tasks.wait()).await;
        if let Err(error) = tokio::fs::remove_dir_all(&self.context.config.state_dir).await {
            tracing::debug!(%error, "state directory not removed");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Keeps names and Services' addresses as Services and EndpointSlices are.
async fn network(context: Arc<Context>, zone: watch::Sender<Arc<Zone>>) {
    let mut changes = context.objects.network.clone();
    let own = [context.router.config().dns_ip, context.router.address()];
    let mut applied = None;
    loop {
        changes.mark_unchanged();
        let services = context.objects.services.state();
        let slices = context.objects.slices.state();
        let services: Vec<&Service> = services.iter().map(AsRef::as_ref).collect();
        let slices: Vec<&EndpointSlice> = slices.iter().map(AsRef::as_ref).collect();
        let domain = &context.config.cluster_domain;
        let pods = context.router.config().pod_cidr;
        zone.send_replace(Arc::new(Zone::build(domain, pods, services.iter().copied(), slices.iter().copied())));
        let ports = services::ports(services, slices, &own, context.router.config().balancer_cidr);
        if applied.as_ref() != Some(&ports) {
            match context.router.set_services(ports.clone()).await {
                Ok(()) => applied = Some(ports),
                Err(error) => {
                    tracing::error!(%error, "service addresses not set");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
