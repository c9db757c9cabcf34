//! What is to be seen of a pod's traffic: what the pod says, then its Namespace, and route groups of its namespace.

use isthmus_core::{
    id::ObjectName,
    telemetry::settings::{Settings, Tracing},
    trace::SampledRoute,
};

use super::Reader;

/// Most matches by which the traces of one pod are sampled; what is beyond counts as not annotated.
const MAX_MATCHES: usize = 200;

/// The settings of a pod. `None`: there is no such pod.
pub(crate) fn telemetry(reader: &Reader<'_>, pod: &ObjectName) -> Option<Settings> {
    let pod = reader.pod(pod)?;
    let said = pod.telemetry.or(&reader.namespace(&pod.name.namespace).telemetry);
    let tracing = Tracing { sample: said.trace_sampling, routes: routes(reader, pod.name.namespace.clone()) };
    Some(Settings { access_log: said.access_log, tracing, families: said.families })
}

/// In the order of the groups' names.
fn routes(reader: &Reader<'_>, namespace: std::sync::Arc<str>) -> Vec<SampledRoute> {
    let mut room = MAX_MATCHES;
    let mut routes = Vec::new();
    for group in reader.sampled_groups(&namespace) {
        let Some(ratio) = group.content.trace_sampling else { continue };
        let matches: Vec<_> =
            group.content.entries.iter().filter_map(|entry| entry.compiled.clone()).take(room).collect();
        room -= matches.len();
        if !matches.is_empty() {
            routes.push(SampledRoute { matches, ratio });
        }
    }
    routes
}
