//! The names of a cluster, from its Services and EndpointSlices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use crate::cidr::Cidr;

/// What a name leads to. Names are lower case, without the last dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// Ports, and the names that have them.
    pub(crate) services: Vec<(u16, String)>,
    pub(crate) alias: Option<String>,
}

/// What is known of a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    Entry(&'a Entry),
    Pod(Ipv4Addr),
    /// The name exists, with nothing of its own.
    Empty,
    /// There is no such name in the cluster.
    Missing,
    /// The name isn't the cluster's.
    Foreign,
}

/// All names of the cluster at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) domain: String,
    pods: Cidr,
    entries: BTreeMap<String, Entry>,
    /// Names that others end in.
    inner: BTreeSet<String>,
}

impl Zone {
    /// A cluster without services.
    pub(crate) fn new(domain: &str, pods: Cidr) -> Self {
        let mut zone = Zone { domain: domain.to_lowercase(), pods, entries: BTreeMap::new(), inner: BTreeSet::new() };
        for base in [String::new(), "svc.".to_owned(), "pod.".to_owned()] {
            let name = format!("{base}{}", zone.domain);
            zone.inner.insert(name);
        }
        zone
    }

    /// The names of these services.
    pub(crate) fn build<'a>(
        domain: &str,
        pods: Cidr,
        services: impl IntoIterator<Item = &'a Service>,
        slices: impl IntoIterator<Item = &'a EndpointSlice>,
    ) -> Self {
        let mut zone = Zone::new(domain, pods);
        let mut by_service: BTreeMap<(String, String), Vec<&EndpointSlice>> = BTreeMap::new();
        for slice in slices {
            let labels = slice.metadata.labels.as_ref();
            if let Some(service) = labels.and_then(|labels| labels.get("kubernetes.io/service-name")) {
                let namespace = slice.metadata.namespace.clone().unwrap_or_default();
                by_service.entry((namespace, service.clone())).or_default().push(slice);
            }
        }
        for service in services {
            let key = (
                service.metadata.namespace.clone().unwrap_or_default(),
                service.metadata.name.clone().unwrap_or_default(),
            );
            let slices = by_service.get(&key).map(Vec::as_slice).unwrap_or_default();
            zone.add_service(&key.0, &key.1, service, slices);
        }
        zone
    }

    fn add_service(&mut self, namespace: &str, name: &str, service: &Service, slices: &[&EndpointSlice]) {
        let spec = service.spec.clone().unwrap_or_default();
        let full = format!("{name}.{namespace}.svc.{}", self.domain).to_lowercase();
        if spec.type_.as_deref() == Some("ExternalName") {
            let alias = spec.external_name.map(|name| name.trim_end_matches('.').to_lowercase());
            return self.add(full, |entry| entry.alias = alias);
        }
        if let Some(address) = spec.cluster_ip.as_deref().and_then(|ip| ip.parse::<Ipv4Addr>().ok()) {
            self.add(full.clone(), |entry| entry.addresses.push(address));
            for port in spec.ports.iter().flatten() {
                let number = u16::try_from(port.port).unwrap_or_default();
                self.add_port(&full, port.name.as_deref(), port.protocol.as_deref(), number, full.clone());
            }
            return;
        }
        // Headless: the endpoints themselves. Without any, the name is still there.
        self.add(full.clone(), |_| {});
        for slice in slices {
            for endpoint in slice.endpoints.iter().filter(|endpoint| serves(endpoint)) {
                self.add_endpoint(&full, slice, endpoint);
            }
        }
    }

    fn add_endpoint(&mut self, service: &str, slice: &EndpointSlice, endpoint: &Endpoint) {
        for address in endpoint.addresses.iter().filter_map(|address| address.parse::<Ipv4Addr>().ok()) {
            let host = endpoint.hostname.clone().unwrap_or_else(|| address.to_string().replace('.', "-"));
            let host = format!("{host}.{service}").to_lowercase();
            for name in [service, &host] {
                self.add(name.to_owned(), |entry| {
                    if !entry.addresses.contains(&address) {
                        entry.addresses.push(address);
                    }
                });
            }
            for port in slice.ports.iter().flatten() {
                let number = port.port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
                self.add_port(service, port.name.as_deref(), port.protocol.as_deref(), number, host.clone());
            }
        }
    }

    /// A named port: `_http._tcp.<service>`.
    fn add_port(&mut self, service: &str, name: Option<&str>, protocol: Option<&str>, port: u16, target: String) {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return };
        let protocol = protocol.unwrap_or("TCP");
        self.add(format!("_{name}._{protocol}.{service}").to_lowercase(), |entry| entry.services.push((port, target)));
    }

    fn add(&mut self, name: String, change: impl FnOnce(&mut Entry)) {
        let mut rest = name.as_str();
        while let Some((_, parent)) = rest.split_once('.').filter(|(_, parent)| parent.len() >= self.domain.len()) {
            self.inner.insert(parent.to_owned());
            rest = parent;
        }
        change(self.entries.entry(name).or_default());
    }

    /// Looks a name up: lower case, without the last dot.
    pub(crate) fn find(&self, name: &str) -> Found<'_> {
        let inside = name == self.domain || name.strip_suffix(&self.domain).is_some_and(|rest| rest.ends_with('.'));
        if !inside {
            return Found::Foreign;
        }
        if let Some(entry) = self.entries.get(name) {
            return Found::Entry(entry);
        }
        if let Some(pod) = self.pod(name) {
            return Found::Pod(pod);
        }
        if self.inner.contains(name) { Found::Empty } else { Found::Missing }
    }

    /// `10-42-0-5.<namespace>.pod.<domain>`, for any address that a pod may have.
    fn pod(&self, name: &str) -> Option<Ipv4Addr> {
        let rest = name.strip_suffix(&self.domain)?.strip_suffix(".pod.")?;
        let (address, namespace) = rest.split_once('.')?;
        let address = address.replace('-', ".").parse().ok()?;
        (self.pods.contains(address) && !namespace.is_empty() && !namespace.contains('.')).then_some(address)
    }
}

/// Ready, or the Service publishes those that aren't: the slice then says that they are.
fn serves(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
}
