//! The labels and annotations by which users speak to the mesh.

pub(crate) mod telemetry;

use isthmus_core::{
    inbound::{Cidr, PolicyMode},
    trace::{Collector, Protocol},
};
use serde_json::{Map, Value};

use crate::{config::SecretName, json::at};

/// On a Namespace, a label: `enabled` has its new pods injected. On a Pod, a label or an annotation: `enabled` or
/// `disabled`, over what its Namespace says.
pub const INJECT: &str = "isthmus.mesh/inject";
/// On a Namespace: `enforce`, `audit` or `permissive`.
pub const POLICY_MODE: &str = "isthmus.mesh/policy-mode";
/// On a Pod: container ports that take plaintext from anybody, comma-separated.
pub const PLAINTEXT_PORTS: &str = "isthmus.mesh/plaintext-ports";
/// On a Pod: addresses or prefixes that may send it plaintext, comma-separated.
pub const PLAINTEXT_SOURCES: &str = "isthmus.mesh/plaintext-sources";
/// On a Pod: container ports that bypass the proxy on the way in, comma-separated.
pub const SKIP_INBOUND_PORTS: &str = "isthmus.mesh/skip-inbound-ports";
/// On a Pod: ports that bypass the proxy on the way out, comma-separated.
pub const SKIP_OUTBOUND_PORTS: &str = "isthmus.mesh/skip-outbound-ports";
/// On a Pod: the collector that its sidecar sends traces to, by URL, or [`NOWHERE`].
pub const TRACE_ENDPOINT: &str = "isthmus.mesh/trace-endpoint";
/// Stands for no collector.
pub(crate) const NOWHERE: &str = "off";
/// On a Pod: how that collector is spoken to, `grpc` or `http/protobuf`.
pub const TRACE_PROTOCOL: &str = "isthmus.mesh/trace-protocol";
/// On a Pod: the Secret beside it whose key `headers` has headers for the collector.
pub const TRACE_HEADERS_SECRET: &str = "isthmus.mesh/trace-headers-secret";
/// On a Namespace, or on a Pod over what its Namespace says: `off`, `json` or `text`.
pub const ACCESS_LOG: &str = "isthmus.mesh/access-log";
/// The same way: the share, from 0 to 1, of what went well that is in the access log.
pub const ACCESS_LOG_SAMPLE: &str = "isthmus.mesh/access-log-sample";
/// The same way: the share, from 0 to 1, of traces that are sampled where they begin. On an HTTPRouteGroup: of the requests that
/// one of its matches covers, for callers in its namespace.
pub const TRACE_SAMPLING: &str = "isthmus.mesh/trace-sampling";
/// The same way: `istio`, `linkerd`, `osm`, comma-separated, or `none`.
pub const METRIC_FAMILIES: &str = "isthmus.mesh/metric-families";
/// On the Secret `isthmus-ca`, with any value: a new root is made and rotated in; the annotation goes.
pub const ROTATE_ROOT: &str = "isthmus.mesh/rotate-root";
/// Put on the Secret `isthmus-trust`: how far the rotation of the root is.
pub const ROTATION: &str = "isthmus.mesh/rotation";
/// Put on injected Pods, so that a second injection changes nothing.
pub const STATUS: &str = "isthmus.mesh/status";

/// What many a Prometheus is configured to find pods by. Where a Pod has any of them, they speak of the application.
pub(crate) const SCRAPE: [&str; 3] = ["prometheus.io/scrape", "prometheus.io/port", "prometheus.io/path"];

/// The proxy's container.
pub const PROXY_CONTAINER: &str = "isthmus-proxy";
/// The container that sets the redirect up.
pub const INIT_CONTAINER: &str = "isthmus-init";

/// The ports in a comma-separated list; `Err` is the first part that is none.
pub(crate) fn ports(text: &str) -> Result<Vec<u16>, String> {
    let part = |p: &str| p.parse().ok().filter(|port| *port != 0).ok_or_else(|| p.to_owned());
    text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(part).collect()
}

/// `enforce`, `audit` or `permissive`.
pub(crate) fn mode(text: &str) -> Option<PolicyMode> {
    match text {
        "enforce" => Some(PolicyMode::Enforce),
        "audit" => Some(PolicyMode::Audit),
        "permissive" => Some(PolicyMode::Permissive),
        _ => None,
    }
}

/// Whether the mesh can read what a Namespace says to it; `Err` names annotation, value and remedy.
pub(crate) fn check_namespace(namespace: &Value) -> Result<(), String> {
    match read(namespace, POLICY_MODE) {
        Some(text) if mode(text).is_none() => {
            Err(format!("annotation {POLICY_MODE}: {text:?} is no mode; write enforce, audit or permissive"))
        }
        _ => Ok(()),
    }
}

/// The same for a Pod.
pub(crate) fn check_pod(pod: &Value) -> Result<(), String> {
    for key in [PLAINTEXT_PORTS, SKIP_INBOUND_PORTS, SKIP_OUTBOUND_PORTS] {
        if let Some(Err(part)) = read(pod, key).map(ports) {
            return Err(format!(
                "annotation {key}: {part:?} is not a port from 1 to 65535; write ports with commas between, like 8080,9090"
            ));
        }
    }
    let protocol = read(pod, TRACE_PROTOCOL).map_or(Ok(Protocol::default()), str::parse);
    let protocol = protocol.map_err(|error| format!("annotation {TRACE_PROTOCOL}: {error}"))?;
    if let Some(url) = read(pod, TRACE_ENDPOINT).filter(|url| *url != NOWHERE) {
        Collector::new(url, protocol).map_err(|error| format!("annotation {TRACE_ENDPOINT}: {error}"))?;
    }
    if let Some(Err(error)) = read(pod, TRACE_HEADERS_SECRET).map(str::parse::<SecretName>) {
        return Err(format!("annotation {TRACE_HEADERS_SECRET}: {error}"));
    }
    let sources = read(pod, PLAINTEXT_SOURCES).unwrap_or_default().split(',').map(str::trim);
    for source in sources.filter(|source| !source.is_empty()) {
        source.parse::<Cidr>().map_err(|error| format!("annotation {PLAINTEXT_SOURCES}: {error}"))?;
    }
    Ok(())
}

/// The annotations by which Prometheus finds metrics at this port.
pub(crate) fn scraped_at(port: u16) -> Map<String, Value> {
    let [scrape, at, path] = SCRAPE;
    [(scrape, "true".to_owned()), (at, port.to_string()), (path, "/metrics".to_owned())]
        .map(|(key, value)| (key.to_owned(), value.into()))
        .into_iter()
        .collect()
}

/// What a Namespace or a Pod says of its telemetry and can't be read.
pub(crate) fn telemetry_faults(object: &Value) -> Vec<String> {
    let annotations = at(object, &["metadata", "annotations"]).as_object().into_iter().flatten();
    let texts = annotations.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    telemetry::Said::read(&texts.collect()).1
}

pub(crate) fn read<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    at(object, &["metadata", "annotations", key]).as_str()
}
