//! As Istio names them: `reporter` destination at the callee, source at the caller.

use isthmus_core::telemetry::Workload;

use super::{
    codes, or_unknown,
    page::{Names, Page, labels},
};
use crate::{
    edges::{Counts, Key},
    metrics::Direction,
};

pub(super) const NAMES: Names =
    Names { requests: "istio_requests_total", latency: "istio_request_duration_milliseconds" };

pub(super) fn add(page: &mut Page, own: &Workload, key: &Key, counts: &Counts) {
    let nobody = Workload::default();
    let peer = key.peer.as_deref().unwrap_or(&nobody);
    let (reporter, source, destination) = match key.direction {
        Direction::Inbound => ("destination", peer, own),
        Direction::Outbound => ("source", own, peer),
    };
    // Of the other end's mesh is known here what its certificate says: without one there was no mutual TLS.
    let security = if key.peer.is_some() { "mutual_tls" } else { "none" };
    let (namespace, service) = key.service.split_once('/').unwrap_or_default();
    let host = if service.is_empty() { String::new() } else { format!("{service}.{namespace}.svc") };
    let common = labels(&[
        ("reporter", reporter),
        ("source_workload", or_unknown(&source.name)),
        ("source_workload_namespace", or_unknown(&source.namespace)),
        ("destination_workload", or_unknown(&destination.name)),
        ("destination_workload_namespace", or_unknown(&destination.namespace)),
        ("destination_service", or_unknown(&host)),
        ("destination_service_name", or_unknown(service)),
        ("destination_service_namespace", or_unknown(namespace)),
        ("request_protocol", key.protocol.as_str()),
        ("connection_security_policy", security),
    ]);
    page.latency(&common, &counts.latency);
    for (code, count) in codes(counts) {
        page.requests(&common, &[("response_code", &code)], count);
    }
}
