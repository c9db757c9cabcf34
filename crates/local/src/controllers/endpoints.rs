//! The pods behind each Service: EndpointSlices, and the older Endpoints beside them.

mod addresses;
mod legacy;
mod slices;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Endpoints, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use kube::{Api, ResourceExt};
use tokio_util::sync::CancellationToken;

use super::objects::{list, same, unless};
use super::{Config, Error, Outcome, reconcile};

pub(super) async fn run(config: Arc<Config>, shutdown: CancellationToken) {
    let client = &config.client;
    let mine = watcher::Config::default().labels(&format!("{}={}", slices::MANAGED_BY, slices::MANAGER));
    let controller = Controller::new(Api::<Service>::all(client.clone()), watcher::Config::default())
        .owns(Api::<EndpointSlice>::all(client.clone()), mine);
    let services = controller.store();
    // A pod that has changed its labels may have left a Service too, so all of its namespace are looked at.
    let neighbours = move |pod: Pod| {
        let namespace = pod.namespace();
        services
            .state()
            .into_iter()
            .filter(move |service| service.namespace() == namespace && slices::selector(service).is_some())
            .map(|service| ObjectRef::from_obj(service.as_ref()))
            .collect::<Vec<_>>()
    };
    let controller = controller.watches(Api::<Pod>::all(client.clone()), watcher::Config::default(), neighbours);
    reconcile("endpoints", controller, config, shutdown, round).await;
}

async fn round(service: Arc<Service>, config: Arc<Config>) -> Outcome {
    let (namespace, name) = (service.namespace().unwrap_or_default(), service.name_any());
    // Services without a selector have endpoints that somebody else writes.
    let Some(selector) = slices::selector(&service) else { return Ok(Action::await_change()) };
    if service.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let pods: Api<Pod> = Api::namespaced(config.client.clone(), &namespace);
    let pods = list(&pods, ListParams::default().labels(&query(selector))).await?;
    let groups = addresses::group(&service, &pods);
    let slices: Api<EndpointSlice> = Api::namespaced(config.client.clone(), &namespace);
    write_slices(&slices, &name, slices::desired(&service, &groups)).await?;
    let endpoints: Api<Endpoints> = Api::namespaced(config.client.clone(), &namespace);
    write_legacy(&endpoints, &name, legacy::desired(&service, &groups)).await?;
    Ok(Action::await_change())
}

fn query(selector: &BTreeMap<String, String>) -> String {
    selector.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

async fn write_slices(api: &Api<EndpointSlice>, service: &str, wanted: Vec<EndpointSlice>) -> Result<(), Error> {
    let labels = format!("{}={service},{}={}", slices::SERVICE_NAME, slices::MANAGED_BY, slices::MANAGER);
    let mut found = list(api, ListParams::default().labels(&labels)).await?;
    for mut slice in wanted {
        let at = found.iter().position(|old| old.metadata.name == slice.metadata.name);
        match at.map(|at| found.swap_remove(at)) {
            Some(old) if slices::is_written(&slice, &old) => {}
            Some(old) => {
                slice.metadata.resource_version = old.metadata.resource_version;
                api.replace(&slice.name_any(), &PostParams::default(), &slice).await?;
            }
            None => {
                api.create(&PostParams::default(), &slice).await?;
            }
        }
    }
    for old in found {
        unless(404, api.delete(&old.name_any(), &DeleteParams::background()).await)?;
    }
    Ok(())
}

async fn write_legacy(api: &Api<Endpoints>, name: &str, mut wanted: Endpoints) -> Result<(), Error> {
    match api.get_opt(name).await? {
        Some(old) if same(&old.subsets, &wanted.subsets) && same(&old.metadata.labels, &wanted.metadata.labels) => {}
        Some(old) => {
            wanted.metadata.resource_version = old.metadata.resource_version;
            api.replace(name, &PostParams::default(), &wanted).await?;
        }
        None => {
            api.create(&PostParams::default(), &wanted).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
