//! Lets splits go that wait for their endpoints. Watches of different kinds aren't ordered among each other, so that a split can be
//! here before a Service that was written before it. One look at its Services settles that: it answers with versions no older
//! than the split, and when the watch has come to them, it has come far enough.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt, future::join_all, stream::FuturesUnordered};
use isthmus_core::id::ObjectName;
use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::index::{HOLD, Look, service_version};

/// Most Services that are asked for at a time.
const CONCURRENT: usize = 16;
/// Pause after a look that failed.
const RETRY: Duration = Duration::from_millis(200);

/// Works until `stop`.
pub(crate) async fn follow(hub: Arc<Hub>, client: Client, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONCURRENT));
    let mut looking = FuturesUnordered::new();
    hub.synced().await;
    hub.with(|registry| registry.begin_holding());
    loop {
        let (due, next) = hub.with(|registry| (registry.take_looks(), registry.settle(Instant::now())));
        looking.extend(due.into_iter().map(|look| find(client.clone(), look, places.clone())));
        let late = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = hub.held.notified() => {}
            () = late => {}
            Some((look, seen)) = looking.next() => {
                if let Some(seen) = seen {
                    hub.with(|registry| registry.looked(&look, seen));
                }
            }
            () = stop.cancelled() => return,
        }
    }
}

type Seen = BTreeMap<ObjectName, Option<u64>>;

/// `None`: the split won't wait for the answer any longer.
async fn find(client: Client, look: Look, places: Arc<Semaphore>) -> (Look, Option<Seen>) {
    let all = join_all(look.services.iter().map(|name| version(&client, name, &places)));
    let seen = tokio::time::timeout(HOLD, all).await;
    (look, seen.ok().map(|all| all.into_iter().collect()))
}

async fn version(client: &Client, name: &ObjectName, places: &Semaphore) -> (ObjectName, Option<u64>) {
    let api: Api<Service> = Api::namespaced(client.clone(), &name.namespace);
    loop {
        let found = match places.acquire().await {
            Ok(_place) => api.get_opt(&name.name).await,
            // Nobody closes it.
            Err(_) => return (name.clone(), None),
        };
        match found {
            // Where versions aren't numbers any that the watch has shown must do.
            Ok(found) => return (name.clone(), found.map(|service| service_version(&service).unwrap_or_default())),
            Err(error) => tracing::warn!(service = %name, %error, "couldn't look at a split's Service: trying again"),
        }
        tokio::time::sleep(RETRY).await;
    }
}
