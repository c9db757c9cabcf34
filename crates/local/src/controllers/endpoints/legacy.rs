//! Endpoints: older than EndpointSlices, and still what some programs read.

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Service};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::addresses::{Address, Groups, Port};
use super::slices::{is_headless, target};
use crate::controllers::objects::owner;

/// Addresses of one object, as in Kubernetes.
const LIMIT: usize = 1000;

pub(super) fn desired(service: &Service, groups: &Groups) -> Endpoints {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert("endpoints.kubernetes.io/managed-by".into(), "endpoint-controller".into());
    if is_headless(service) {
        labels.insert("service.kubernetes.io/headless".into(), String::new());
    }
    let subsets: Vec<_> = groups.iter().filter_map(|(ports, addresses)| subset(service, ports, addresses)).collect();
    Endpoints {
        metadata: ObjectMeta {
            name: Some(service.name_any()),
            namespace: service.namespace(),
            labels: Some(labels),
            owner_references: owner(service),
            ..ObjectMeta::default()
        },
        subsets: (!subsets.is_empty()).then_some(subsets),
    }
}

/// Pods that are ending have no place here unless they are published in any state.
fn subset(service: &Service, ports: &[Port], addresses: &[Address]) -> Option<EndpointSubset> {
    let entry = |address: &Address| EndpointAddress {
        hostname: address.hostname.clone(),
        ip: address.ip.clone(),
        node_name: address.node.clone(),
        target_ref: Some(target(address, service)),
    };
    let some = |ready: bool| {
        let these = addresses.iter().filter(|address| address.ready == ready && (ready || !address.terminating));
        let list: Vec<_> = these.take(LIMIT).map(entry).collect();
        (!list.is_empty()).then_some(list)
    };
    let (addresses, not_ready_addresses) = (some(true), some(false));
    if addresses.is_none() && not_ready_addresses.is_none() {
        return None;
    }
    let ports = ports.iter().map(|port| EndpointPort {
        app_protocol: port.app_protocol.clone(),
        name: Some(port.name.clone()).filter(|name| !name.is_empty()),
        port: port.number,
        protocol: Some(port.protocol.clone()),
    });
    let ports: Vec<_> = ports.collect();
    Some(EndpointSubset { addresses, not_ready_addresses, ports: (!ports.is_empty()).then_some(ports) })
}
