//! As Open Service Mesh named them: at the callee, with both workloads down to the pods. Mesh, service and protocol are ours: with
//! them each edge is a series of its own.

use isthmus_core::telemetry::Workload;

use super::{
    codes, or_unknown,
    page::{Names, Page, labels},
};
use crate::{
    edges::{Counts, Key},
    metrics::Direction,
};

pub(super) const NAMES: Names = Names { requests: "osm_request_total", latency: "osm_request_duration_ms" };

pub(super) fn add(page: &mut Page, own: &Workload, key: &Key, counts: &Counts) {
    if key.direction != Direction::Inbound {
        return;
    }
    let nobody = Workload::default();
    let peer = key.peer.as_deref().unwrap_or(&nobody);
    let common = labels(&[
        ("source_mesh", or_unknown(&peer.mesh)),
        ("source_namespace", or_unknown(&peer.namespace)),
        ("source_kind", or_unknown(&peer.kind)),
        ("source_name", or_unknown(&peer.name)),
        ("source_pod", or_unknown(&peer.pod)),
        ("destination_namespace", or_unknown(&own.namespace)),
        ("destination_kind", or_unknown(&own.kind)),
        ("destination_name", or_unknown(&own.name)),
        ("destination_pod", or_unknown(&own.pod)),
        ("destination_service", or_unknown(&key.service)),
        ("request_protocol", key.protocol.as_str()),
    ]);
    page.latency(&common, &counts.latency);
    for (code, count) in codes(counts) {
        page.requests(&common, &[("response_code", &code)], count);
    }
}
