//! EndpointSlices.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ObjectReference, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::addresses::{Address, Groups, Port};
use crate::controllers::objects::{owner, same, short_hash};

pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";
pub(super) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Kubernetes' own controller, whose work this does.
pub(super) const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";
/// Endpoints of one slice, as in Kubernetes.
const LIMIT: usize = 100;

/// The selector of a Service whose endpoints are pods.
pub(super) fn selector(service: &Service) -> Option<&BTreeMap<String, String>> {
    let spec = service.spec.as_ref().filter(|spec| spec.type_.as_deref() != Some("ExternalName"))?;
    spec.selector.as_ref().filter(|selector| !selector.is_empty())
}

/// All slices that the Service should have; an empty one where there is no pod.
pub(super) fn desired(service: &Service, groups: &Groups) -> Vec<EndpointSlice> {
    if groups.is_empty() {
        return vec![slice(service, &[], &[], 0)];
    }
    let chunks = groups.iter().flat_map(|(ports, addresses)| {
        addresses.chunks(LIMIT).enumerate().map(move |(number, chunk)| slice(service, ports, chunk, number))
    });
    chunks.collect()
}

fn slice(service: &Service, ports: &[Port], addresses: &[Address], number: usize) -> EndpointSlice {
    let name = service.name_any();
    let key: Vec<_> = ports.iter().map(|port| (&port.name, &port.protocol, port.number)).collect();
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.retain(|label, _| ![SERVICE_NAME, MANAGED_BY, HEADLESS].contains(&label.as_str()));
    labels.insert(SERVICE_NAME.into(), name.clone());
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    if is_headless(service) {
        labels.insert(HEADLESS.into(), String::new());
    }
    EndpointSlice {
        metadata: ObjectMeta {
            name: Some(format!("{name}-{}", short_hash(&(key, number)))),
            namespace: service.namespace(),
            labels: Some(labels),
            owner_references: owner(service),
            ..ObjectMeta::default()
        },
        address_type: "IPv4".into(),
        endpoints: addresses.iter().map(|address| endpoint(address, service)).collect(),
        ports: Some(ports.iter().map(port).collect()),
    }
}

pub(super) fn is_headless(service: &Service) -> bool {
    service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None")
}

fn endpoint(address: &Address, service: &Service) -> Endpoint {
    Endpoint {
        addresses: vec![address.ip.clone()],
        conditions: Some(EndpointConditions {
            ready: Some(address.ready),
            serving: Some(address.serving),
            terminating: Some(address.terminating),
        }),
        hostname: address.hostname.clone(),
        node_name: address.node.clone(),
        target_ref: Some(target(address, service)),
        ..Endpoint::default()
    }
}

pub(super) fn target(address: &Address, service: &Service) -> ObjectReference {
    ObjectReference {
        kind: Some("Pod".into()),
        name: Some(address.pod.clone()),
        namespace: service.namespace(),
        uid: address.uid.clone(),
        ..ObjectReference::default()
    }
}

fn port(port: &Port) -> EndpointPort {
    EndpointPort {
        name: Some(port.name.clone()),
        port: Some(port.number),
        protocol: Some(port.protocol.clone()),
        app_protocol: port.app_protocol.clone(),
    }
}

/// Whether the slice that is there says all that it should.
pub(super) fn is_written(wanted: &EndpointSlice, found: &EndpointSlice) -> bool {
    same(&wanted.endpoints, &found.endpoints)
        && same(&wanted.ports, &found.ports)
        && same(&wanted.metadata.labels, &found.metadata.labels)
        && same(&wanted.metadata.owner_references, &found.metadata.owner_references)
}
