//! An address for each Service of type LoadBalancer, for as long as it is one.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use isthmus_local_node::Cidr;
use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service};
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::controller::{self, Action};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::{Controller, watcher};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::objects::{list, unless};
use super::{Config, Error, Outcome, reconcile};

/// What an Event is called that tells of an address that couldn't be given.
const REFUSED: &str = "AddressNotGiven";
/// The first address of the range that is given away to who asks for none.
const FIRST: u32 = 10;

pub(super) async fn run(config: Arc<Config>, shutdown: CancellationToken) {
    let services = Api::<Service>::all(config.client.clone());
    let controller = Controller::new(services, watcher::Config::default())
        // Two at a time would give the same address away twice.
        .with_config(controller::Config::default().concurrency(1));
    let reporter = Reporter { controller: "isthmus-local-balancers".to_owned(), instance: None };
    let events = Recorder::new(config.client.clone(), reporter);
    let round = move |service, config| round(service, config, events.clone());
    reconcile("balancers", controller, config, shutdown, round).await;
}

async fn round(service: Arc<Service>, config: Arc<Config>, events: Recorder) -> Outcome {
    if !is_balancer(&service) && addresses(&service).next().is_none() {
        return Ok(Action::await_change());
    }
    let all = list(&Api::<Service>::all(config.client.clone()), ListParams::default()).await?;
    let uid = &service.metadata.uid;
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|other| other.metadata.uid == *uid);
    let Some(service) = own.first() else { return Ok(Action::await_change()) };
    let taken: BTreeSet<Ipv4Addr> = others.iter().filter(|other| is_ours(other)).flat_map(addresses).collect();
    let held: Vec<Ipv4Addr> = addresses(service).collect();
    let chosen = choose(service, &held, &taken, config.balancers);
    let wanted = match is_ours(service) {
        true => Vec::from_iter(chosen),
        // Its address goes with its type.
        false if !is_balancer(service) => Vec::new(),
        false => return Ok(Action::await_change()),
    };
    if wanted.is_empty() && is_ours(service) {
        return Err(Error::AddressesExhausted { range: config.balancers });
    }
    if wanted != held {
        let ingress: Vec<_> = wanted.iter().map(|ip| json!({ "ip": ip, "ipMode": "VIP" })).collect();
        let patch = Patch::Merge(json!({ "status": { "loadBalancer": { "ingress": ingress } } }));
        let api: Api<Service> = Api::namespaced(config.client.clone(), &service.namespace().unwrap_or_default());
        unless(404, api.patch_status(&service.name_any(), &PatchParams::default(), &patch).await)?;
    }
    let refused = chosen.filter(|_| is_ours(service)).and_then(|given| refused(service, given, config.balancers));
    if let Some(note) = refused {
        // A courtesy: failing costs only itself.
        let action = "Balancing".to_owned();
        let event =
            Event { type_: EventType::Warning, reason: REFUSED.to_owned(), note: Some(note), action, secondary: None };
        drop(events.publish(&event, &service.object_ref(&())).await);
    }
    Ok(Action::await_change())
}

fn is_balancer(service: &Service) -> bool {
    service.spec.as_ref().and_then(|spec| spec.type_.as_deref()) == Some("LoadBalancer")
}

/// Another class is somebody else's to serve.
fn is_ours(service: &Service) -> bool {
    is_balancer(service) && service.spec.as_ref().is_some_and(|spec| spec.load_balancer_class.is_none())
}

fn addresses(service: &Service) -> impl Iterator<Item = Ipv4Addr> {
    let given = service.status.iter().filter_map(|status| status.load_balancer.as_ref()?.ingress.as_ref()).flatten();
    given.filter_map(|given: &LoadBalancerIngress| given.ip.as_deref()?.parse().ok())
}

/// The address that it asks for.
fn asked(service: &Service) -> Option<&str> {
    service.spec.as_ref()?.load_balancer_ip.as_deref().filter(|text| !text.is_empty())
}

/// Why it wasn't given what it asks for.
fn refused(service: &Service, given: Ipv4Addr, range: Cidr) -> Option<String> {
    let asked = asked(service).filter(|text| text.parse() != Ok(given))?;
    Some(format!(
        "spec.loadBalancerIP: {asked:?} isn't a free address of {range}, the range of this cluster's balancers: the Service is at {given}"
    ))
}

/// The address that it asks for, or else the one that it has, or else the first that is free: of the range, and nobody else's.
fn choose(service: &Service, held: &[Ipv4Addr], taken: &BTreeSet<Ipv4Addr>, range: Cidr) -> Option<Ipv4Addr> {
    let last = u32::try_from(range.size().saturating_sub(1)).unwrap_or(u32::MAX);
    let free = |from| (from..last).filter_map(|n| range.nth(n)).filter(|address| !taken.contains(address));
    let fits = |address: &Ipv4Addr| free(1).any(|free| free == *address);
    let asked = asked(service).and_then(|text| text.parse().ok());
    asked.filter(fits).or_else(|| held.iter().copied().find(fits)).or_else(|| free(FIRST).next())
}

#[cfg(test)]
mod tests;
