//! The API objects that a node looks at, kept by watches.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::Api;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{WatchStreamExt, watcher};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::env::Sources;

/// The stores, and notices of their changes.
#[derive(Clone)]
pub(crate) struct Objects {
    config_maps: Store<ConfigMap>,
    secrets: Store<Secret>,
    pub(crate) services: Store<Service>,
    pub(crate) slices: Store<EndpointSlice>,
    /// Counts changes of ConfigMaps and Secrets.
    pub(crate) files: watch::Receiver<u64>,
    /// Counts changes of Services and EndpointSlices.
    pub(crate) network: watch::Receiver<u64>,
}

impl Objects {
    /// Starts the watches; they end with the token.
    pub(crate) fn watch(client: &kube::Client, tasks: &TaskTracker, stop: &CancellationToken) -> Self {
        let (files, network) = (watch::Sender::new(0), watch::Sender::new(0));
        let (files_changed, network_changed) = (files.subscribe(), network.subscribe());
        Objects {
            config_maps: keep(client, &files, tasks, stop),
            secrets: keep(client, &files, tasks, stop),
            services: keep(client, &network, tasks, stop),
            slices: keep(client, &network, tasks, stop),
            files: files_changed,
            network: network_changed,
        }
    }

    /// Waits until everything has been listed once.
    pub(crate) async fn ready(&self) {
        let _writer_gone = tokio::join!(
            self.config_maps.wait_until_ready(),
            self.secrets.wait_until_ready(),
            self.services.wait_until_ready(),
            self.slices.wait_until_ready(),
        );
    }
}

fn keep<K>(
    client: &kube::Client,
    changed: &watch::Sender<u64>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Store<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    let (reader, writer) = store();
    let stream = watcher(Api::<K>::all(client.clone()), watcher::Config::default()).default_backoff().reflect(writer);
    let changed = changed.clone();
    let follow = async move {
        let mut stream = std::pin::pin!(stream);
        while let Some(event) = stream.next().await {
            match event {
                Ok(_) => changed.send_modify(|count| *count = count.wrapping_add(1)),
                Err(error) => tracing::debug!(kind = %K::kind(&()), %error, "watch interrupted"),
            }
        }
    };
    let stop = stop.clone();
    tasks.spawn(async move { stop.run_until_cancelled(follow).await });
    reader
}

impl Sources for Objects {
    fn config_map(&self, namespace: &str, name: &str) -> Option<Arc<ConfigMap>> {
        self.config_maps.get(&ObjectRef::new(name).within(namespace))
    }

    fn secret(&self, namespace: &str, name: &str) -> Option<Arc<Secret>> {
        self.secrets.get(&ObjectRef::new(name).within(namespace))
    }
}
