//! Who watches a pod: the taps that are at it.

use isthmus_core::{id::ObjectName, telemetry::tap::Tap};

use super::Reader;
use crate::index::{Pod, TapTarget};

/// The taps of a pod. `None`: there is no such pod.
pub(crate) fn taps(reader: &Reader<'_>, pod: &ObjectName) -> Option<Vec<Tap>> {
    let pod = reader.pod(pod)?;
    let all = reader.taps(&pod.name.namespace);
    Some(all.filter(|at| is_at(reader, &at.target, pod)).map(|at| at.tap.clone()).collect())
}

fn is_at(reader: &Reader<'_>, target: &TapTarget, pod: &Pod) -> bool {
    match target {
        TapTarget::All => true,
        TapTarget::Pod(name) => pod.name.name == *name,
        TapTarget::Service(name) => reader.slices_with(&pod.name).any(|slice| slice.service.name == *name),
        TapTarget::Owner(kind, name) => {
            pod.owned.as_ref().is_some_and(|owned| *owned.kind() == **kind && *owned.name() == **name)
        }
    }
}
