//! What works, and is likely to surprise: its author is warned, and nobody else. Programs write such objects again and
//! again, so no Event is raised.

use isthmus_k8s::{
    access::TrafficTarget,
    convert::{PARKED_ANNOTATION, parked::parked_port},
    split::TrafficSplit,
};
use serde_json::Value;

use super::{STORED, parse};
use crate::{index::read, webhook::Request};

/// The warnings, for an object as it will be stored.
pub(super) fn warnings(request: &Request, stored: &Value, cluster_domain: &str) -> Vec<String> {
    let warning = match request.kind.kind.as_str() {
        "TrafficSplit" => own_root(stored, cluster_domain),
        "TrafficTarget" => limited(request, stored),
        _ => None,
    };
    warning.into_iter().collect()
}

/// The specification says that a split can't name its root among the backends; Argo Rollouts and others do
/// (smi.md §5 A6).
fn own_root(stored: &Value, cluster_domain: &str) -> Option<String> {
    let split = read::split(&parse::<TrafficSplit>(stored).ok()?, cluster_domain).content;
    let root = split.root?;
    split.backends.iter().any(|backend| backend.service == root).then(|| {
        format!(
            "spec.backends: {} is the split's own root, which the specification discourages: that share goes to all of \
             the Service's endpoints, which may be the other backends' too",
            root.name
        )
    })
}

/// Who writes in a version without a port is told of the one that still holds.
fn limited(request: &Request, stored: &Value) -> Option<String> {
    if !matches!(request.kind.version.as_str(), "v1alpha3" | STORED) {
        return None;
    }
    let port = parked_port(&parse::<TrafficTarget>(stored).ok()?).ok()??;
    Some(format!(
        "the target opens port {port} alone, as it was written in an older version; remove the annotation \
         {PARKED_ANNOTATION} to open what its rules name"
    ))
}
