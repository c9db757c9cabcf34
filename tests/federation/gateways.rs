//! What gateways and sidecars count.

use std::collections::BTreeMap;

use anyhow::Context;
use isthmus_tests::{http, meshes::Mesh, wait::expect_eq};

use crate::scene::{NAMESPACE, SYSTEM, pods};

/// By what gateways are found.
pub(crate) const LABEL: &str = "app.kubernetes.io/name=isthmus-gateway";
/// Ports of the admin servers.
const GATEWAY_ADMIN: u16 = 15021;
const PROXY_ADMIN: u16 = 15020;

/// Connections that each gateway of a mesh has relayed to its pods.
pub(crate) fn connections(mesh: &Mesh) -> anyhow::Result<BTreeMap<String, u64>> {
    let of = |pod: String| {
        let series = sum(mesh, SYSTEM, &pod, GATEWAY_ADMIN, "isthmus_gateway_connections_total{direction=\"ingress\"")?;
        Ok((pod, series))
    };
    pods(mesh, SYSTEM, LABEL)?.into_iter().map(of).collect()
}

/// Requests that the proxy of a pod has taken for it.
pub(crate) fn inbound_requests(mesh: &Mesh, pod: &str) -> anyhow::Result<u64> {
    sum(mesh, NAMESPACE, pod, PROXY_ADMIN, "isthmus_inbound_requests_total{")
}

/// TCP connections that it has taken for it.
pub(crate) fn inbound_connections(mesh: &Mesh, pod: &str) -> anyhow::Result<u64> {
    sum(mesh, NAMESPACE, pod, PROXY_ADMIN, "isthmus_inbound_tcp_connections_total{")
}

/// When the certificate of a pod's proxy ends, Unix seconds.
pub(crate) fn certificate_expiry(mesh: &Mesh, pod: &str) -> anyhow::Result<u64> {
    sum(mesh, NAMESPACE, pod, PROXY_ADMIN, "isthmus_certificate_expiry_seconds")
}

/// The sum of a metric's series that begin so.
pub(crate) fn sum(mesh: &Mesh, namespace: &str, pod: &str, port: u16, begin: &str) -> anyhow::Result<u64> {
    let admin = mesh.kubectl.port_forward(namespace, &format!("pod/{pod}"), port)?;
    let answer = http::send(admin.port, http::request("GET", "/metrics"))?;
    expect_eq("GET /metrics", answer.status().as_u16(), 200)?;
    let series = answer.body().lines().filter(|line| line.starts_with(begin));
    let value = |line: &str| line.rsplit(' ').next().and_then(|text| text.parse::<u64>().ok());
    series.map(|line| value(line).with_context(|| format!("{pod}: {line}"))).sum()
}
