//! Namespaces: what each has from its beginning, and its end.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, PartialObjectMeta, PostParams};
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::objects::unless;
use super::{Config, Error, Outcome, reconcile};

const ACCOUNT: &str = "default";
const ROOTS: &str = "kube-root-ca.crt";
/// How soon to look again for what has not ended yet: mostly pods.
const NEXT_LOOK: Duration = Duration::from_millis(200);

pub(super) async fn run(config: Arc<Config>, shutdown: CancellationToken) {
    let client = &config.client;
    let of = |metadata: &ObjectMeta| metadata.namespace.as_deref().map(ObjectRef::<Namespace>::new);
    let named = |name: &str| watcher::Config::default().fields(&format!("metadata.name={name}"));
    let controller = Controller::new(Api::<Namespace>::all(client.clone()), watcher::Config::default())
        .watches(Api::<PartialObjectMeta<ServiceAccount>>::all(client.clone()), named(ACCOUNT), move |a| of(a.meta()))
        .watches(Api::<PartialObjectMeta<ConfigMap>>::all(client.clone()), named(ROOTS), move |c| of(c.meta()));
    reconcile("namespaces", controller, config, shutdown, round).await;
}

async fn round(namespace: Arc<Namespace>, config: Arc<Config>) -> Outcome {
    if namespace.metadata.deletion_timestamp.is_some() {
        return end(&namespace, &config.client).await;
    }
    furnish(&namespace.name_any(), &config).await?;
    Ok(Action::await_change())
}

async fn furnish(namespace: &str, config: &Config) -> Result<(), Error> {
    let metadata = |name: &str| ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() };
    let accounts: Api<ServiceAccount> = Api::namespaced(config.client.clone(), namespace);
    if accounts.get_opt(ACCOUNT).await?.is_none() {
        let account = ServiceAccount { metadata: metadata(ACCOUNT), ..ServiceAccount::default() };
        unless(409, accounts.create(&PostParams::default(), &account).await)?;
    }
    let maps: Api<ConfigMap> = Api::namespaced(config.client.clone(), namespace);
    let data = Some([("ca.crt".to_owned(), config.root_ca.clone())].into());
    match maps.get_opt(ROOTS).await? {
        Some(map) if map.data == data => {}
        Some(map) => {
            maps.replace(ROOTS, &PostParams::default(), &ConfigMap { data, ..map }).await?;
        }
        None => {
            let map = ConfigMap { metadata: metadata(ROOTS), data, ..ConfigMap::default() };
            unless(409, maps.create(&PostParams::default(), &map).await)?;
        }
    }
    Ok(())
}

/// Deletes what is in the namespace; once nothing is left, lets it go.
async fn end(namespace: &Namespace, client: &Client) -> Outcome {
    let finalizers = namespace.spec.as_ref().and_then(|spec| spec.finalizers.clone()).unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
        return Ok(Action::await_change());
    }
    let name = namespace.name_any();
    let discovery = Discovery::new(client.clone()).run_aggregated().await?;
    let mut left = 0_usize;
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            let deletable =
                capabilities.supports_operation(verbs::DELETE) && capabilities.supports_operation(verbs::LIST);
            if capabilities.scope == Scope::Namespaced && deletable {
                left = left.saturating_add(empty(client, &name, &resource).await?);
            }
        }
    }
    if left > 0 {
        tracing::debug!(namespace = name, left, "waiting for a namespace's contents to end");
        return Ok(Action::requeue(NEXT_LOOK));
    }
    let rest: Vec<_> = finalizers.into_iter().filter(|finalizer| finalizer != "kubernetes").collect();
    let mut last = Api::<Namespace>::all(client.clone()).get(&name).await?;
    last.spec.get_or_insert_default().finalizers = Some(rest);
    let finalize = http::Request::put(format!("/api/v1/namespaces/{name}/finalize"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(json!(last).to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    unless(404, client.request::<Namespace>(finalize).await)?;
    Ok(Action::await_change())
}

/// Deletes all objects of a kind in a namespace; says how many are still there.
async fn empty(client: &Client, namespace: &str, resource: &ApiResource) -> Result<usize, Error> {
    let api: Api<PartialObjectMeta<DynamicObject>> = Api::namespaced_with(client.clone(), namespace, resource);
    let list = api.list(&ListParams::default()).await;
    let found = match list {
        Ok(list) => list.items,
        // The kind has gone, or its objects can't be listed.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 405) => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    let fresh = found.iter().filter(|object| object.metadata.deletion_timestamp.is_none());
    for object in fresh {
        unless(404, api.delete(&object.name_any(), &DeleteParams::background()).await)?;
    }
    Ok(found.len())
}
