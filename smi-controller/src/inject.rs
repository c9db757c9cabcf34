//! Putting the sidecar into pods.

mod pod;
mod traces;

use std::fmt;

use serde_json::Value;

use crate::{
    annotations::{self, INJECT, PROXY_CONTAINER},
    ca::SharedRoots,
    config::{Config, Traces},
    json::at,
    webhook::{Answer, Request},
};

/// User that the sidecar runs as. What runs as it isn't redirected, so nothing else in a pod may.
pub(crate) const PROXY_UID: i64 = 2102;

/// What every sidecar is told.
pub(crate) struct Injector {
    pub(crate) proxy_image: String,
    pub(crate) init_image: String,
    pub(crate) control_addr: String,
    pub(crate) controller_id: String,
    pub(crate) trust_domain: String,
    pub(crate) roots: SharedRoots,
    pub(crate) mesh: String,
    pub(crate) log: String,
    mark: Option<u32>,
    traces: Traces,
}

impl fmt::Debug for Injector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Injector").field("proxy_image", &self.proxy_image).finish_non_exhaustive()
    }
}

/// What to do with a pod.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Inject,
    /// Leave it alone, perhaps with a word to its author.
    Leave(Option<&'static str>),
    Refuse(String),
}

impl Injector {
    /// For the sidecars of a mesh with these roots.
    pub(crate) fn new(config: &Config, roots: SharedRoots) -> Result<Self, isthmus_core::id::InvalidId> {
        Ok(Self {
            proxy_image: config.proxy_image.clone(),
            init_image: config.init_image.clone(),
            control_addr: config.control_addr(),
            controller_id: config.identity()?.to_string(),
            trust_domain: config.trust_domain.to_string(),
            roots,
            mesh: config.mesh.clone(),
            log: config.proxy_log.clone(),
            mark: config.proxy_mark,
            traces: config.proxy_traces.clone(),
        })
    }

    /// Answers a review of a new pod for which nobody but itself, by its annotation, can ask for a sidecar.
    pub(crate) fn decide_annotated(&self, request: &Request) -> Answer {
        let asked = at(&request.object, &["metadata", "annotations", INJECT]);
        if *asked == "enabled" || *asked == "true" { self.decide(request) } else { Answer::default() }
    }

    /// Answers a review of a new pod. The configuration's selectors have chosen the namespaces already.
    pub(crate) fn decide(&self, request: &Request) -> Answer {
        if request.kind.kind != "Pod" || request.operation != "CREATE" {
            return Answer::default();
        }
        match decide(&request.object) {
            Decision::Leave(None) => Answer::default(),
            Decision::Leave(Some(why)) => Answer::warn(format!("{INJECT}: {why}: the pod gets no sidecar")),
            Decision::Refuse(why) => Answer::refuse(why),
            Decision::Inject => {
                let injected = self.inject(&request.object);
                Answer {
                    refusal: None,
                    warnings: annotations::telemetry_faults(&request.object),
                    patch: Some(json_patch::diff(&request.object, &injected)),
                }
            }
        }
    }
}

fn decide(pod: &Value) -> Decision {
    let asked = ["labels", "annotations"].map(|place| at(pod, &["metadata", place, INJECT]));
    if asked.iter().any(|value| **value == "disabled" || **value == "false") {
        return Decision::Leave(None);
    }
    if containers(pod).any(|container| *at(container, &["name"]) == PROXY_CONTAINER) {
        return Decision::Leave(None);
    }
    if *at(pod, &["spec", "hostNetwork"]) == true {
        return Decision::Leave(Some("the pod uses its node's network, whose traffic can't be redirected"));
    }
    if let Some(container) = containers(pod).find(|container| user_of(container, pod) == Some(PROXY_UID)) {
        return Decision::Refuse(format!(
            "container {}: securityContext.runAsUser: {PROXY_UID} is the sidecar's own user, whose traffic bypasses the \
             mesh; choose another",
            at(container, &["name"])
        ));
    }
    if let Err(why) = annotations::check_pod(pod) {
        return Decision::Refuse(why);
    }
    Decision::Inject
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let of = |field| at(pod, &["spec", field]).as_array().into_iter().flatten();
    of("initContainers").chain(of("containers"))
}

/// The user that a container runs as: its own, else the pod's.
fn user_of(container: &Value, pod: &Value) -> Option<i64> {
    let own = at(container, &["securityContext", "runAsUser"]).as_i64();
    own.or_else(|| at(pod, &["spec", "securityContext", "runAsUser"]).as_i64())
}

#[cfg(test)]
mod tests;
