//! A pod's `/etc/resolv.conf` and `/etc/hosts`.

use std::fmt::Write;
use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{Pod, PodSpec};

/// The cluster's side of name resolution.
#[derive(Clone, Debug)]
pub(crate) struct PodDns {
    pub(crate) server: Ipv4Addr,
    pub(crate) domain: String,
}

/// By `dnsPolicy` and `dnsConfig`. There is no resolver outside the cluster, so `Default` is as `ClusterFirst`.
pub(crate) fn resolv_conf(spec: &PodSpec, namespace: &str, dns: &PodDns) -> String {
    let domain = &dns.domain;
    let (mut servers, mut search, mut options) = match spec.dns_policy.as_deref() {
        Some("None") => (Vec::new(), Vec::new(), Vec::new()),
        _ => (
            vec![dns.server.to_string()],
            vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()],
            vec!["ndots:5".to_owned()],
        ),
    };
    if let Some(config) = &spec.dns_config {
        servers.extend(config.nameservers.iter().flatten().cloned());
        search.extend(config.searches.iter().flatten().cloned());
        for option in config.options.iter().flatten() {
            let name = option.name.as_deref().unwrap_or_default();
            options.retain(|old: &String| old.split(':').next() != Some(name));
            options.push(option.value.as_ref().map_or_else(|| name.to_owned(), |value| format!("{name}:{value}")));
        }
    }
    let mut text = String::new();
    for server in servers {
        let _infallible = writeln!(text, "nameserver {server}");
    }
    for (keyword, words) in [("search", search), ("options", options)] {
        if !words.is_empty() {
            let _infallible = writeln!(text, "{keyword} {}", words.join(" "));
        }
    }
    text
}

/// Loopback, the pod itself, and `hostAliases`.
pub(crate) fn hosts(pod: &Pod, hostname: &str, address: Ipv4Addr, dns: &PodDns) -> String {
    let mut text =
        "# Written by the node.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
    let spec = pod.spec.as_ref();
    let subdomain = spec.and_then(|spec| spec.subdomain.as_deref()).filter(|subdomain| !subdomain.is_empty());
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let full = subdomain
        .map(|subdomain| format!("{hostname}.{subdomain}.{namespace}.svc.{}\t", dns.domain))
        .unwrap_or_default();
    let _infallible = writeln!(text, "{address}\t{full}{hostname}");
    for alias in spec.iter().flat_map(|spec| spec.host_aliases.iter().flatten()) {
        let _infallible = writeln!(
            text,
            "{}\t{}",
            alias.ip,
            alias.hostnames.iter().flatten().cloned().collect::<Vec<_>>().join("\t")
        );
    }
    text
}
