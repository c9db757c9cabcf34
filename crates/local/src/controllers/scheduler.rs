//! Gives pods to the only node, where the API server has not done so itself.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use kube::api::ObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::objects::unless;
use super::{Config, Outcome, reconcile};

pub(super) async fn run(config: Arc<Config>, shutdown: CancellationToken) {
    let unassigned = watcher::Config::default().fields("spec.nodeName=");
    let controller = Controller::new(Api::<Pod>::all(config.client.clone()), unassigned);
    reconcile("scheduler", controller, config, shutdown, round).await;
}

async fn round(pod: Arc<Pod>, config: Arc<Config>) -> Outcome {
    if !is_waiting(&pod) {
        return Ok(Action::await_change());
    }
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let binding = Binding {
        metadata: ObjectMeta { name: Some(name.clone()), namespace: Some(namespace.clone()), ..ObjectMeta::default() },
        target: ObjectReference { kind: Some("Node".into()), name: Some(config.node.clone()), ..Default::default() },
    };
    let request = http::Request::post(format!("/api/v1/namespaces/{namespace}/pods/{name}/binding"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(json!(binding).to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    // 404: it is gone again. 409: it has a node already.
    unless(409, config.client.request::<serde_json::Value>(request).await).or_else(|error| unless(404, Err(error)))?;
    Ok(Action::await_change())
}

fn is_waiting(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let ours = spec.scheduler_name.as_deref().is_none_or(|name| name == "default-scheduler");
    let gated = spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
    spec.node_name.as_deref().unwrap_or_default().is_empty()
        && ours
        && !gated
        && pod.metadata.deletion_timestamp.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pods_that_nobody_else_places_are_waiting() {
        for (spec, wanted) in [
            (json!({}), true),
            (json!({ "nodeName": "" }), true),
            (json!({ "nodeName": "n" }), false),
            (json!({ "schedulerName": "default-scheduler" }), true),
            (json!({ "schedulerName": "another" }), false),
            (json!({ "schedulingGates": [{ "name": "example.com/wait" }] }), false),
        ] {
            let mut whole = spec.clone();
            whole["containers"] = json!([]);
            let mut pod: Pod = serde_json::from_value(json!({ "metadata": {}, "spec": whole })).unwrap();
            assert_eq!(is_waiting(&pod), wanted, "{spec}");
            pod.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
            assert!(!is_waiting(&pod));
        }
    }
}
