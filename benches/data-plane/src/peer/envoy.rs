//! Envoy: one worker, no admin server. Its configuration is JSON, which it takes as well as YAML.

use std::{ffi::OsString, path::Path};

use serde_json::{Value, json};

use super::Hop;
use crate::{namespace::CALLEE, pki::CALLEE_NAME};

const TYPES: &str = "type.googleapis.com/envoy.extensions";
/// Beyond what any phase of a run has under way.
const MANY: u32 = 10_000;

pub(super) fn arguments(config: &Path) -> Vec<OsString> {
    let fixed = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error", "--config-path"];
    fixed.iter().map(Into::into).chain([config.into()]).collect()
}

pub(super) fn config(hop: Hop<'_>) -> String {
    let mut chain = json!({ "filters": [filter(hop)] });
    if hop.takes_tls()
        && let Some(chain) = chain.as_object_mut()
    {
        let context = json!({
            "@type": format!("{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext"),
            "require_client_certificate": true,
            "common_tls_context": tls(hop),
        });
        chain.insert("transport_socket".into(), socket(context));
    }
    json!({
        "static_resources": {
            "listeners": [{
                "name": "in",
                "address": address("0.0.0.0", hop.listen_port()),
                "filter_chains": [chain],
            }],
            "clusters": [cluster(hop)],
        },
    })
    .to_string()
}

fn filter(hop: Hop<'_>) -> Value {
    if hop.is_tcp() {
        return json!({
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                "@type": format!("{TYPES}.filters.network.tcp_proxy.v3.TcpProxy"),
                "stat_prefix": "in",
                "cluster": "callee",
            },
        });
    }
    json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": format!("{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "in",
            "route_config": { "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "callee" } }],
            }] },
            "http_filters": [{
                "name": "envoy.filters.http.router",
                "typed_config": { "@type": format!("{TYPES}.filters.http.router.v3.Router") },
            }],
        },
    })
}

fn cluster(hop: Hop<'_>) -> Value {
    let options = if hop.is_http2() { "http2_protocol_options" } else { "http_protocol_options" };
    let limits = json!({ "max_connections": MANY, "max_pending_requests": MANY, "max_requests": MANY });
    let mut cluster = json!({
        "name": "callee",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": { "thresholds": [limits] },
        "load_assignment": {
            "cluster_name": "callee",
            "endpoints": [{ "lb_endpoints": [
                { "endpoint": { "address": address(&CALLEE.to_string(), hop.case.protocol().app_port()) } },
            ] }],
        },
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": format!("{TYPES}.upstreams.http.v3.HttpProtocolOptions"),
            "explicit_http_config": { options: {} },
        } },
    });
    if hop.sends_tls()
        && let Some(cluster) = cluster.as_object_mut()
    {
        let context = json!({
            "@type": format!("{TYPES}.transport_sockets.tls.v3.UpstreamTlsContext"),
            "sni": CALLEE_NAME,
            "common_tls_context": tls(hop),
        });
        cluster.insert("transport_socket".into(), socket(context));
    }
    cluster
}

fn tls(hop: Hop<'_>) -> Value {
    let file = |name: String| json!({ "filename": hop.file(&name) });
    let alpn: &[&str] = match (hop.is_tcp(), hop.is_http2()) {
        (true, _) => &[],
        (_, true) => &["h2"],
        _ => &["http/1.1"],
    };
    json!({
        "tls_params": { "tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3" },
        "tls_certificates": [{
            "certificate_chain": file(format!("{}.pem", hop.name())),
            "private_key": file(format!("{}.key", hop.name())),
        }],
        "validation_context": { "trusted_ca": file("ca.pem".into()) },
        "alpn_protocols": alpn,
    })
}

fn socket(context: Value) -> Value {
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": context })
}

fn address(ip: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": ip, "port_value": port } })
}
