//! As Linkerd names them: `direction` inbound at the callee; outbound at the caller, with `dst_…`.

use isthmus_core::telemetry::Workload;

use super::{
    codes,
    page::{Names, Page, labels},
};
use crate::{
    edges::{Counts, Key, Protocol},
    metrics::Direction,
};

pub(super) const NAMES: Names = Names { requests: "response_total", latency: "response_latency_ms" };

pub(super) fn add(page: &mut Page, own: &Workload, key: &Key, counts: &Counts) {
    let mut all = vec![("direction", key.direction.as_str()), ("namespace", &own.namespace), ("pod", &own.pod)];
    all.extend(owner(&own.kind, false).map(|label| (label, &*own.name)));
    if key.direction == Direction::Outbound {
        let (namespace, service) = key.service.split_once('/').unwrap_or_default();
        let peer = key.peer.as_deref().filter(|peer| !peer.namespace.is_empty());
        all.push(("dst_namespace", peer.map_or(namespace, |peer| &peer.namespace)));
        all.push(("dst_service", service));
        all.extend(peer.and_then(|peer| Some((owner(&peer.kind, true)?, &*peer.name))));
    }
    let common = labels(&all);
    page.latency(&common, &counts.latency);
    let mut add = |code: &str, failed: bool, count| {
        let classification = if failed { "failure" } else { "success" };
        page.requests(&common, &[("classification", classification), ("status_code", code)], count);
    };
    if key.protocol == Protocol::Grpc {
        // The status of gRPC decides; HTTP's is 200 as good as always.
        add("200", false, counts.successes);
        add("200", true, counts.failures);
        return;
    }
    for (code, count) in codes(counts) {
        add(&code, matches!(code.as_bytes().first(), Some(b'0' | b'5')), count);
    }
}

/// The label that names an owner of this kind. `job` is Prometheus' own.
fn owner(kind: &str, destination: bool) -> Option<&'static str> {
    let (here, there) = match kind {
        "CronJob" => ("cronjob", "dst_cronjob"),
        "DaemonSet" => ("daemonset", "dst_daemonset"),
        "Deployment" => ("deployment", "dst_deployment"),
        "Job" => ("k8s_job", "dst_k8s_job"),
        "ReplicaSet" => ("replicaset", "dst_replicaset"),
        "ReplicationController" => ("replicationcontroller", "dst_replicationcontroller"),
        "StatefulSet" => ("statefulset", "dst_statefulset"),
        _ => return None,
    };
    Some(if destination { there } else { here })
}
