//! Services.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use isthmus_core::{federation::Host, id::ObjectName};
use isthmus_k8s::federation;
use k8s_openapi::{api::core::v1 as k8s, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::ResourceExt;

use super::{Fact, Facts, table::name_of};

/// What stands behind a Service's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Virtual addresses.
    Cluster(Vec<IpAddr>),
    /// The addresses of its pods.
    Headless,
    /// Another name.
    External,
}

/// A TCP port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServicePort {
    /// As in the slices: empty for a single, unnamed port.
    pub(crate) name: Arc<str>,
    pub(crate) port: u16,
    pub(crate) app_protocol: Option<Arc<str>>,
}

/// A Service, as far as the mesh cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) name: ObjectName,
    pub(crate) exposure: Exposure,
    pub(crate) ports: Vec<ServicePort>,
    /// Where it is reached from outside the cluster.
    pub(crate) external: Vec<Host>,
    /// The labels of the pods of this cluster that it has for endpoints; none: somebody writes its slices.
    pub(crate) selector: BTreeMap<String, String>,
    /// The uid of the ImportedService that it was made for.
    pub(crate) import: Option<Arc<str>>,
}

impl Service {
    pub(crate) fn port(&self, port: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|p| p.port == port)
    }

    /// Has it pods of this cluster for endpoints?
    pub(crate) fn selects(&self) -> bool {
        !self.selector.is_empty()
    }
}

/// All Services.
#[derive(Debug, Default)]
pub(crate) struct Services {
    by_name: BTreeMap<ObjectName, Service>,
    by_address: BTreeMap<IpAddr, BTreeSet<ObjectName>>,
    /// The `resourceVersion` that the watch has shown each in.
    versions: BTreeMap<ObjectName, u64>,
}

impl Services {
    pub(crate) fn get(&self, name: &ObjectName) -> Option<&Service> {
        self.by_name.get(name)
    }

    /// Has the watch come to this version of it? `None`: to its not being there.
    pub(crate) fn is_seen(&self, name: &ObjectName, version: Option<u64>) -> bool {
        match version {
            Some(version) => self.versions.get(name).is_some_and(|seen| *seen >= version),
            None => !self.by_name.contains_key(name),
        }
    }

    pub(crate) fn at(&self, address: IpAddr) -> Option<&ObjectName> {
        self.by_address.get(&address)?.first()
    }

    /// Those that were made for imports.
    pub(crate) fn imported(&self) -> impl Iterator<Item = &Service> {
        self.by_name.values().filter(|service| service.import.is_some())
    }

    pub(crate) fn apply(&mut self, service: &k8s::Service, facts: &mut Facts) {
        let version = version(service);
        let service = read(service);
        if self.by_name.get(&service.name) != Some(&service) {
            self.replace(&service, facts);
        }
        self.versions.extend(version.map(|version| (service.name, version)));
    }

    fn replace(&mut self, service: &Service, facts: &mut Facts) {
        self.delete(&service.name, facts);
        tell(service, facts);
        for address in addresses(service) {
            facts.insert(Fact::Address(*address));
            self.by_address.entry(*address).or_default().insert(service.name.clone());
        }
        self.by_name.insert(service.name.clone(), service.clone());
    }

    pub(crate) fn delete(&mut self, name: &ObjectName, facts: &mut Facts) {
        let Some(old) = self.by_name.remove(name) else { return };
        self.versions.remove(name);
        tell(&old, facts);
        for address in addresses(&old) {
            facts.insert(Fact::Address(*address));
            if let Some(holders) = self.by_address.get_mut(address) {
                holders.remove(name);
                if holders.is_empty() {
                    self.by_address.remove(address);
                }
            }
        }
    }
}

fn tell(service: &Service, facts: &mut Facts) {
    facts.insert(Fact::Service(service.name.clone()));
    if service.import.is_some() {
        facts.insert(Fact::Imported);
    }
}

fn addresses(service: &Service) -> &[IpAddr] {
    match &service.exposure {
        Exposure::Cluster(addresses) => addresses,
        Exposure::Headless | Exposure::External => &[],
    }
}

/// Versions of one kind grow from write to write, and are numbers (as Kubernetes says since 1.35, and as it was before).
/// `None`: this API server counts otherwise.
pub(crate) fn version(service: &k8s::Service) -> Option<u64> {
    service.resource_version()?.parse().ok()
}

fn read(service: &k8s::Service) -> Service {
    let spec = service.spec.clone().unwrap_or_default();
    let all = spec.cluster_ips.unwrap_or_default().into_iter().chain(spec.cluster_ip);
    let mut addresses: Vec<IpAddr> = Vec::new();
    let mut headless = false;
    for text in all {
        headless |= text == "None";
        if let Ok(address) = text.parse()
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    let exposure = match spec.type_.as_deref() {
        Some("ExternalName") => Exposure::External,
        _ if headless => Exposure::Headless,
        _ => Exposure::Cluster(addresses),
    };
    let port = |p: k8s::ServicePort| {
        let tcp = p.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
        Some(ServicePort {
            name: p.name.unwrap_or_default().into(),
            port: u16::try_from(p.port).ok().filter(|port| tcp && *port != 0)?,
            app_protocol: p.app_protocol.map(Into::into),
        })
    };
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer.and_then(|balancer| balancer.ingress.as_ref()).into_iter().flatten();
    let given = spec.external_ips.iter().flatten().map(String::as_str);
    // Balancers of some clouds have a name alone.
    let balanced = ingress.filter_map(|point| point.ip.as_deref().or(point.hostname.as_deref()));
    let mut external: Vec<Host> = balanced.chain(given).filter_map(|text| text.parse().ok()).collect();
    external.sort();
    external.dedup();
    let is_import = |owner: &&OwnerReference| {
        owner.kind == "ImportedService" && owner.api_version.split('/').next() == Some(federation::GROUP)
    };
    let owner = service.owner_references().iter().find(is_import);
    Service {
        external,
        selector: spec.selector.unwrap_or_default(),
        import: owner.map(|owner| owner.uid.as_str().into()),
        name: name_of(service),
        exposure,
        ports: spec.ports.unwrap_or_default().into_iter().filter_map(port).collect(),
    }
}
