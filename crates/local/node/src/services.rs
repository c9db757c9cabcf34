//! From Services and EndpointSlices to the router's NAT table.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use isthmus_netfilter::{Protocol, ServicePort};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::cidr::Cidr;

/// Every port of every address of a Service with its ready endpoints: of its ClusterIP, and of what it was given of the `balancers`
/// range. The addresses of `own` are the router's: it answers there itself.
pub(crate) fn ports<'a>(
    services: impl IntoIterator<Item = &'a Service>,
    slices: impl IntoIterator<Item = &'a EndpointSlice>,
    own: &[Ipv4Addr],
    balancers: Cidr,
) -> Vec<ServicePort> {
    let mut by_service: BTreeMap<(&str, &str), Vec<&EndpointSlice>> = BTreeMap::new();
    for slice in slices {
        let labels = slice.metadata.labels.as_ref();
        if let Some(service) = labels.and_then(|labels| labels.get("kubernetes.io/service-name")) {
            by_service
                .entry((slice.metadata.namespace.as_deref().unwrap_or_default(), service))
                .or_default()
                .push(slice);
        }
    }
    let mut all = Vec::new();
    for service in services {
        let meta = &service.metadata;
        let key = (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
        let slices = by_service.get(&key).map(Vec::as_slice).unwrap_or_default();
        let Some(spec) = &service.spec else { continue };
        let ip = spec.cluster_ip.as_deref().and_then(|ip| ip.parse::<Ipv4Addr>().ok()).filter(|ip| !own.contains(ip));
        let ips: Vec<Ipv4Addr> = ip.into_iter().chain(ingress(service, balancers)).collect();
        for port in spec.ports.iter().flatten() {
            let (Some(protocol), Ok(number)) = (protocol(port.protocol.as_deref()), u16::try_from(port.port)) else {
                continue;
            };
            let endpoints = endpoints(slices, port.name.as_deref(), protocol);
            let address = |ip: &Ipv4Addr| SocketAddrV4::new(*ip, number);
            all.extend(ips.iter().map(|ip| ServicePort {
                address: address(ip),
                protocol,
                endpoints: endpoints.clone(),
            }));
        }
    }
    all
}

/// The addresses of a LoadBalancer Service that are of the range.
fn ingress(service: &Service, range: Cidr) -> impl Iterator<Item = Ipv4Addr> {
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let given = balancer.into_iter().flat_map(|balancer| balancer.ingress.iter().flatten());
    given.filter_map(|given| given.ip.as_deref()?.parse().ok()).filter(move |ip| range.contains(*ip))
}

fn protocol(name: Option<&str>) -> Option<Protocol> {
    match name {
        None | Some("TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some(_) => None,
    }
}

/// Ready endpoints; when none is, those that still serve while they end, so that a rollout drops nothing.
fn endpoints(slices: &[&EndpointSlice], name: Option<&str>, wanted: Protocol) -> Vec<SocketAddrV4> {
    let mut ready = Vec::new();
    let mut ending = Vec::new();
    for slice in slices.iter().filter(|slice| slice.address_type == "IPv4") {
        for port in slice.ports.iter().flatten() {
            let same = port.name.as_deref().unwrap_or_default() == name.unwrap_or_default();
            let number = port.port.and_then(|port| u16::try_from(port).ok());
            let (true, true, Some(number)) = (same, protocol(port.protocol.as_deref()) == Some(wanted), number) else {
                continue;
            };
            for endpoint in &slice.endpoints {
                let conditions = endpoint.conditions.clone().unwrap_or_default();
                let ends = conditions.terminating.unwrap_or(false);
                let list = match (conditions.ready.unwrap_or(true), conditions.serving.unwrap_or(true)) {
                    (true, _) if !ends => &mut ready,
                    (_, true) if ends => &mut ending,
                    _ => continue,
                };
                let addresses = endpoint.addresses.iter().filter_map(|address| address.parse().ok());
                list.extend(addresses.map(|address| SocketAddrV4::new(address, number)));
            }
        }
    }
    let mut chosen = if ready.is_empty() { ending } else { ready };
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}
