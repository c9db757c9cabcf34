//! The roots in a ConfigMap, for the mesh's own pods that no webhook tells: gateways and hubs begin with them.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::SharedRoots;

/// The ConfigMap. Nobody but the controller may write it: not the hub, which writes the statuses of Mesh objects.
pub const NAME: &str = "isthmus-roots";
/// Its entry: certificates as PEM.
pub const ENTRY: &str = "roots.pem";
/// How often it is looked at; somebody may have deleted it.
const PERIOD: Duration = Duration::from_secs(30);
/// How often after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps it in this namespace while this replica holds the lease.
pub(crate) async fn publish(
    client: Client,
    namespace: String,
    mut roots: SharedRoots,
    mut leader: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
    loop {
        let leads = *leader.borrow_and_update();
        let bundle = roots.borrow_and_update().bundle();
        let done = if leads { write(&api, bundle.to_pem()).await } else { Ok(()) };
        if let Err(error) = &done {
            tracing::warn!(%error, "couldn't write the roots into ConfigMap {NAME}");
        }
        tokio::select! {
            () = tokio::time::sleep(if done.is_ok() { PERIOD } else { RETRY }) => {}
            changed = leader.changed() => if changed.is_err() { return },
            changed = roots.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}

async fn write(api: &Api<ConfigMap>, pem: String) -> Result<(), kube::Error> {
    let data = Some([(ENTRY.to_owned(), pem)].into());
    let params = PostParams::default();
    match api.get_opt(NAME).await? {
        Some(found) if found.data == data => Ok(()),
        Some(found) => api.replace(NAME, &params, &ConfigMap { data, ..found }).await.map(drop),
        None => {
            let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
            api.create(&params, &ConfigMap { metadata, data, ..ConfigMap::default() }).await.map(drop)
        }
    }
}
