//! The controllers of a cluster: they read and write through the Kubernetes API only.
//!
//! Each reads what it needs afresh when something has changed, decides in a pure function, and writes what is missing. Nothing is kept
//! between two rounds, so there is no cache that could be behind the server.

mod balancers;
mod daemonsets;
mod deployments;
mod endpoints;
mod events;
mod garbage;
mod jobs;
mod kubernetes;
mod namespaces;
mod objects;
mod pods;
mod replicasets;
mod scheduler;
mod statefulsets;

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use isthmus_local_node::Cidr;
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What controllers are told.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) client: Client,
    /// PEM roots of the API server, for `kube-root-ca.crt`.
    pub(crate) root_ca: String,
    /// Where pods reach the API server, behind the `kubernetes` Service. None where it tells so itself.
    pub(crate) api: Option<SocketAddrV4>,
    /// The node that gets pods which the API server has not given to one.
    pub(crate) node: String,
    /// The range that LoadBalancer Services get their addresses of.
    pub(crate) balancers: Cidr,
}

/// Why a round did not come to its end. The object gets another one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("{0}")]
    InvalidObject(String),
    #[error("no address of {range} is free: delete a LoadBalancer Service")]
    AddressesExhausted { range: Cidr },
}

impl Error {
    /// Somebody else was faster: the next round sees what they wrote.
    fn is_conflict(&self) -> bool {
        matches!(self, Error::Api(kube::Error::Api(status)) if status.code == 409)
    }
}

type Outcome = Result<Action, Error>;

/// Starts all controllers; they end when `shutdown` fires.
pub(crate) fn start(config: Config, shutdown: &CancellationToken) -> TaskTracker {
    let tasks = TaskTracker::new();
    let config = Arc::new(config);
    let round = || (config.clone(), shutdown.clone());
    tasks.spawn(namespaces::run(round().0, round().1));
    tasks.spawn(deployments::run(round().0, round().1));
    tasks.spawn(replicasets::run(round().0, round().1));
    tasks.spawn(daemonsets::run(round().0, round().1));
    tasks.spawn(jobs::run(round().0, round().1));
    tasks.spawn(statefulsets::run(round().0, round().1));
    tasks.spawn(endpoints::run(round().0, round().1));
    tasks.spawn(scheduler::run(round().0, round().1));
    tasks.spawn(balancers::run(round().0, round().1));
    for task in [
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(garbage::run(config.client.clone()))),
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(events::run(config.client.clone()))),
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(kubernetes::run(config.clone()))),
    ] {
        tasks.spawn(task);
    }
    tasks.close();
    tasks
}

/// Runs one controller: a round per object that changed, and again after growing delays while rounds fail.
async fn reconcile<K, F>(
    name: &'static str,
    controller: Controller<K>,
    config: Arc<Config>,
    shutdown: CancellationToken,
    round: impl Fn(Arc<K>, Arc<Config>) -> F,
) where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Default + Debug + Clone + Eq + Hash + Unpin,
    F: Future<Output = Outcome> + Send + 'static,
{
    let failures = Failures::default();
    let retry = |object: Arc<K>, error: &Error, _: Arc<Config>| {
        let object = ObjectRef::from_obj(object.as_ref());
        if error.is_conflict() {
            return Action::requeue(CONFLICT_DELAY);
        }
        let delay = failures.delay(&object);
        tracing::warn!(controller = name, %object, %error, ?delay, "a round failed");
        Action::requeue(delay)
    };
    let rounds = controller.graceful_shutdown_on(shutdown.cancelled_owned()).run(round, retry, config);
    rounds
        .for_each(|done| {
            match done {
                Ok((object, _)) => failures.forget(&object),
                Err(error) => tracing::debug!(controller = name, %error, "watching"),
            }
            std::future::ready(())
        })
        .await;
}

const CONFLICT_DELAY: Duration = Duration::from_millis(20);
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// How often each object's rounds have failed in a row.
struct Failures<K: Resource>(Mutex<HashMap<ObjectRef<K>, u32>>)
where
    K::DynamicType: Eq + Hash;

impl<K: Resource> Default for Failures<K>
where
    K::DynamicType: Eq + Hash,
{
    fn default() -> Self {
        Failures(Mutex::default())
    }
}

impl<K: Resource> Failures<K>
where
    K::DynamicType: Eq + Hash + Clone,
{
    fn delay(&self, object: &ObjectRef<K>) -> Duration {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(object.clone()).or_default();
        *count = count.saturating_add(1);
        FIRST_DELAY.saturating_mul(1 << (*count - 1).min(10)).min(LONGEST_DELAY)
    }

    fn forget(&self, object: &ObjectRef<K>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
    }
}
