//! Which pods stand behind which ports of a Service.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, ContainerPort, Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use crate::controllers::objects::{is_terminal, ready};

/// A port as pods have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    /// The Service port's name; empty where it has none.
    pub(super) name: String,
    pub(super) protocol: String,
    pub(super) number: i32,
    pub(super) app_protocol: Option<String>,
}

/// A pod behind a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ip: String,
    pub(super) ready: bool,
    pub(super) serving: bool,
    pub(super) terminating: bool,
    pub(super) hostname: Option<String>,
    pub(super) node: Option<String>,
    pub(super) pod: String,
    pub(super) uid: Option<String>,
}

/// Pods by the ports that they have of the Service; those that differ in a named port's number are in different groups.
pub(super) type Groups = BTreeMap<Vec<Port>, Vec<Address>>;

pub(super) fn group(service: &Service, pods: &[Pod]) -> Groups {
    let mut groups = Groups::new();
    for pod in pods {
        if let Some(address) = address(service, pod) {
            groups.entry(ports(service, pod)).or_default().push(address);
        }
    }
    groups.values_mut().for_each(|addresses| addresses.sort_by(|one, other| one.pod.cmp(&other.pod)));
    groups
}

fn address(service: &Service, pod: &Pod) -> Option<Address> {
    let ip = pod.status.as_ref()?.pod_ip.clone().filter(|ip| !ip.is_empty())?;
    if is_terminal(pod) {
        return None;
    }
    let spec = pod.spec.as_ref();
    let of_service = service.spec.as_ref();
    let terminating = pod.metadata.deletion_timestamp.is_some();
    let serving = ready(pod).is_some();
    let always = of_service.and_then(|spec| spec.publish_not_ready_addresses) == Some(true);
    let subdomain = spec.and_then(|spec| spec.subdomain.as_deref());
    Some(Address {
        ip,
        ready: always || (serving && !terminating),
        serving,
        terminating,
        hostname: spec
            .and_then(|spec| spec.hostname.clone())
            .filter(|name| !name.is_empty() && subdomain == service.metadata.name.as_deref()),
        node: spec.and_then(|spec| spec.node_name.clone()),
        pod: pod.name_any(),
        uid: pod.uid(),
    })
}

fn ports(service: &Service, pod: &Pod) -> Vec<Port> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let resolved = ports.filter_map(|port| {
        Some(Port {
            name: port.name.clone().unwrap_or_default(),
            protocol: port.protocol.clone().unwrap_or_else(|| "TCP".into()),
            number: number(port, pod)?,
            app_protocol: port.app_protocol.clone(),
        })
    });
    resolved.collect()
}

/// The number of a Service's port on a pod; none if it is a name that the pod doesn't know.
fn number(port: &ServicePort, pod: &Pod) -> Option<i32> {
    let name = match port.target_port.as_ref() {
        None | Some(IntOrString::Int(0)) => return Some(port.port),
        Some(IntOrString::Int(number)) => return Some(*number),
        Some(IntOrString::String(name)) if name.is_empty() => return Some(port.port),
        Some(IntOrString::String(name)) => name,
    };
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    let is_it = |port: &&ContainerPort| {
        port.name.as_deref() == Some(name) && port.protocol.as_deref().unwrap_or("TCP") == protocol
    };
    serving_containers(pod).flat_map(|container| container.ports.iter().flatten()).find(is_it).map(|p| p.container_port)
}

/// Containers, and init containers that stay (native sidecars).
fn serving_containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    pod.spec.iter().flat_map(|spec| {
        let sidecars = spec.init_containers.iter().flatten();
        let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
        spec.containers.iter().chain(sidecars)
    })
}
