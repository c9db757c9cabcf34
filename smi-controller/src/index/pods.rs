//! Pods.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use isthmus_core::{
    id::ObjectName,
    inbound::{Cidr, Exemptions},
    telemetry::Owned,
};
use k8s_openapi::{
    api::core::v1 as k8s,
    apimachinery::pkg::{apis::meta::v1::Time, util::intstr::IntOrString},
};
use kube::ResourceExt;

use super::{Fact, Facts, roster::owners, table::name_of};
use crate::annotations::{
    self, PLAINTEXT_PORTS, PLAINTEXT_SOURCES, PROXY_CONTAINER, SKIP_INBOUND_PORTS, telemetry::Said,
};

/// A pod, as far as the mesh cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) name: ObjectName,
    pub(crate) uid: Arc<str>,
    pub(crate) created: Option<Time>,
    /// Its own addresses: none while it has none, when it is over, and when it uses its node's.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) account: Arc<str>,
    /// It and its topmost owner, as others are told them.
    pub(crate) owned: Option<Owned>,
    pub(crate) labels: BTreeMap<String, String>,
    /// Does it have, or will it have, a proxy? One that is over has none.
    pub(crate) meshed: bool,
    /// Container ports that bypass it on the way in.
    pub(crate) bypassed: BTreeSet<u16>,
    pub(crate) exempt: Exemptions,
    /// What it says of its own telemetry.
    pub(crate) telemetry: Said,
}

/// All pods.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    by_name: BTreeMap<ObjectName, Pod>,
    by_address: BTreeMap<IpAddr, BTreeSet<ObjectName>>,
}

impl Pods {
    pub(crate) fn get(&self, name: &ObjectName) -> Option<&Pod> {
        self.by_name.get(name)
    }

    /// Those that have a proxy, or will have one.
    pub(crate) fn meshed(&self) -> impl Iterator<Item = &Pod> {
        self.by_name.values().filter(|pod| pod.meshed)
    }

    /// The newest pod that has the address.
    pub(crate) fn at(&self, address: IpAddr) -> Option<&Pod> {
        let holders = self.by_address.get(&address)?.iter().filter_map(|name| self.by_name.get(name));
        holders.max_by(|a, b| a.created.cmp(&b.created))
    }

    pub(crate) fn in_namespace<'a>(&'a self, namespace: &'a Arc<str>) -> impl Iterator<Item = &'a Pod> {
        let from = ObjectName::new(namespace.clone(), "");
        self.by_name.range(from..).map(|(_, pod)| pod).take_while(move |pod| pod.name.namespace == *namespace)
    }

    pub(crate) fn apply(&mut self, pod: &k8s::Pod, facts: &mut Facts) {
        let pod = read(pod);
        if self.by_name.get(&pod.name) == Some(&pod) {
            return;
        }
        self.delete(&pod.name, facts);
        tell(&pod, facts);
        for address in &pod.addresses {
            self.by_address.entry(*address).or_default().insert(pod.name.clone());
        }
        self.by_name.insert(pod.name.clone(), pod);
    }

    pub(crate) fn delete(&mut self, name: &ObjectName, facts: &mut Facts) {
        let Some(old) = self.by_name.remove(name) else { return };
        tell(&old, facts);
        for address in &old.addresses {
            if let Some(holders) = self.by_address.get_mut(address) {
                holders.remove(name);
                if holders.is_empty() {
                    self.by_address.remove(address);
                }
            }
        }
    }
}

fn tell(pod: &Pod, facts: &mut Facts) {
    facts.insert(Fact::Pod(pod.name.clone()));
    facts.insert(Fact::Pods(pod.name.namespace.clone()));
    facts.extend(pod.addresses.iter().map(|address| Fact::Address(*address)));
}

/// Has the spec a proxy of this mesh already?
fn is_injected(spec: &k8s::PodSpec) -> bool {
    let mut all = spec.init_containers.iter().flatten().chain(&spec.containers);
    all.any(|container| container.name == PROXY_CONTAINER)
}

fn read(pod: &k8s::Pod) -> Pod {
    let name = name_of(pod);
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let shares = spec.host_network.unwrap_or(false);
    let mut addresses: Vec<IpAddr> = Vec::new();
    if !over && !shares {
        let all = status.pod_ips.iter().flatten().map(|ip| ip.ip.as_str()).chain(status.pod_ip.as_deref());
        addresses.extend(all.filter_map(|ip| ip.parse::<IpAddr>().ok()));
        addresses.sort();
        addresses.dedup();
    }
    Pod {
        uid: pod.uid().unwrap_or_default().into(),
        created: pod.creation_timestamp(),
        addresses,
        account: spec.service_account_name.as_deref().filter(|name| !name.is_empty()).unwrap_or("default").into(),
        owned: owned(pod, &name),
        labels: pod.labels().clone(),
        meshed: !over && !shares && is_injected(&spec),
        bypassed: port_list(pod, SKIP_INBOUND_PORTS),
        exempt: exemptions(pod, &spec, &status),
        telemetry: telemetry(pod),
        name,
    }
}

fn owned(pod: &k8s::Pod, name: &ObjectName) -> Option<Owned> {
    match owners(pod).pop() {
        Some(top) => Owned::new(&top.kind, &top.name, &name.name),
        None => Owned::new("Pod", &name.name, &name.name),
    }
}

fn telemetry(pod: &k8s::Pod) -> Said {
    let (said, faults) = Said::read(pod.annotations());
    for fault in faults {
        tracing::warn!(pod = %name_of(pod), "{fault}; ignored");
    }
    said
}

fn annotation<'p>(pod: &'p k8s::Pod, key: &str) -> &'p str {
    pod.annotations().get(key).map(String::as_str).unwrap_or_default()
}

fn unreadable(pod: &k8s::Pod, key: &str, part: &str) {
    tracing::warn!(pod = %name_of(pod), value = part, "annotation {key} has a part that can't be read: it is ignored whole");
}

/// The ports in an annotation.
fn port_list(pod: &k8s::Pod, key: &str) -> BTreeSet<u16> {
    let ports = annotations::ports(annotation(pod, key)).unwrap_or_else(|part| {
        unreadable(pod, key, &part);
        Vec::new()
    });
    ports.into_iter().collect()
}

fn exemptions(pod: &k8s::Pod, spec: &k8s::PodSpec, status: &k8s::PodStatus) -> Exemptions {
    let parts = annotation(pod, PLAINTEXT_SOURCES).split(',').map(str::trim).filter(|part| !part.is_empty());
    let sources: Result<Vec<Cidr>, String> = parts.map(|p| p.parse().map_err(|_| p.to_owned())).collect();
    let sources = sources.unwrap_or_else(|part| {
        unreadable(pod, PLAINTEXT_SOURCES, &part);
        Vec::new()
    });
    let nodes = status.host_ips.iter().flatten().map(|ip| ip.ip.as_str()).chain(status.host_ip.as_deref());
    let mut node: Vec<IpAddr> = nodes.filter_map(|ip| ip.parse().ok()).collect();
    node.sort();
    node.dedup();
    Exemptions { ports: port_list(pod, PLAINTEXT_PORTS), sources, node, probes: probes(spec) }
}

/// What the kubelet will ask of the pod's containers: port, and path for plain HTTP.
fn probes(spec: &k8s::PodSpec) -> Vec<(u16, Option<String>)> {
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let mut found = BTreeSet::new();
    for container in containers.filter(|c| c.name != PROXY_CONTAINER) {
        let probes = [&container.startup_probe, &container.readiness_probe, &container.liveness_probe];
        for probe in probes.into_iter().flatten() {
            if let Some(http) = &probe.http_get {
                let tls = http.scheme.as_deref() == Some("HTTPS");
                let path = http.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
                let path = path.split_once('?').map_or(path, |(path, _)| path);
                found.extend(resolve(&http.port, container).map(|port| (port, (!tls).then(|| path.to_owned()))));
            }
            if let Some(tcp) = &probe.tcp_socket {
                found.extend(resolve(&tcp.port, container).map(|port| (port, None)));
            }
        }
    }
    found.into_iter().collect()
}

fn resolve(port: &IntOrString, container: &k8s::Container) -> Option<u16> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let named = container.ports.iter().flatten().find(|p| p.name.as_deref() == Some(name));
            named.map(|p| p.container_port).or_else(|| name.parse().ok())?
        }
    };
    u16::try_from(number).ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests;
