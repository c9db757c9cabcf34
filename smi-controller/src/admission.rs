//! Saying no to objects that can't work, while their author is still looking. The same reading as the index's:
//! what is refused here would have no effect there.

use isthmus_k8s::{
    access::{IdentityBinding, TrafficTarget},
    convert::{ConversionError, PARKED_ANNOTATION, convert},
    federation::{self, ExportedService, ImportedService, Mesh, MeshPeer},
    specs::{HTTPRouteGroup, TCPRoute, UDPRoute},
    split::TrafficSplit,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    annotations,
    fault::{Effect, Fault, Reason},
    index::read,
    json::at,
    webhook::{Answer, Request},
};

mod discouraged;

/// The version that is stored, and read by the mesh.
const STORED: &str = "v1alpha4";

/// Checks SMI objects.
#[derive(Debug)]
pub(crate) struct Validator {
    pub(crate) cluster_domain: String,
}

impl Validator {
    /// Answers a review.
    pub(crate) fn decide(&self, request: &Request) -> Answer {
        if request.kind.group.is_empty() {
            return annotated(request);
        }
        let ours = request.kind.group.ends_with(".smi-spec.io") || request.kind.group == federation::GROUP;
        if !matches!(request.operation.as_str(), "CREATE" | "UPDATE") || !ours {
            return Answer::default();
        }
        // An object on its way out may lose its finalizers, whatever it holds.
        if !at(&request.object, &["metadata", "deletionTimestamp"]).is_null() {
            return Answer::default();
        }
        let stored = match stored(&request.object) {
            Ok(stored) => stored,
            Err(error) => return Answer::refuse(error.to_string()),
        };
        let faults = match self.faults(&request.kind.kind, &stored) {
            Ok(faults) => faults,
            Err(error) => return Answer::refuse(error),
        };
        // What was stored before this door was here may still be labelled, as long as it isn't made otherwise wrong.
        let kept =
            request.operation == "UPDATE" && same(&stored, &self::stored(&request.old_object).unwrap_or_default());
        let (refused, warned): (Vec<_>, Vec<_>) = faults.into_iter().partition(|fault| !kept && refuses(fault));
        let text = |fault: Fault| format!("{}: {}", fault.reason.as_str(), as_written(request, fault.message));
        let texts = |faults: Vec<Fault>| faults.into_iter().map(text);
        let refusal: Vec<String> = texts(refused).collect();
        Answer {
            refusal: (!refusal.is_empty()).then(|| refusal.join("; ")),
            warnings: texts(warned).chain(discouraged::warnings(request, &stored, &self.cluster_domain)).collect(),
            patch: None,
        }
    }

    fn faults(&self, kind: &str, object: &Value) -> Result<Vec<Fault>, String> {
        Ok(match kind {
            "TrafficSplit" => read::split(&parse::<TrafficSplit>(object)?, &self.cluster_domain).faults,
            "TrafficTarget" => read::target(&parse::<TrafficTarget>(object)?).faults,
            "HTTPRouteGroup" => read::group(&parse::<HTTPRouteGroup>(object)?).faults,
            "TCPRoute" => read::tcp(&parse::<TCPRoute>(object)?).faults,
            "UDPRoute" => read::udp(&parse::<UDPRoute>(object)?).faults,
            "IdentityBinding" => read::binding(&parse::<IdentityBinding>(object)?).faults,
            "Mesh" => read::mesh(&parse::<Mesh>(object)?).faults,
            "MeshPeer" => read::peer(&parse::<MeshPeer>(object)?).faults,
            "ExportedService" => read::export(&parse::<ExportedService>(object)?).faults,
            "ImportedService" => read::import(&parse::<ImportedService>(object)?).faults,
            _ => Vec::new(),
        })
    }
}

/// As it will be stored. Other groups than SMI's have one version.
fn stored(object: &Value) -> Result<Value, ConversionError> {
    let api_version = at(object, &["apiVersion"]).as_str().unwrap_or_default();
    match api_version.split_once('/') {
        Some((group, version)) if group.ends_with(".smi-spec.io") && version != STORED => {
            convert(object.clone(), &format!("{group}/{STORED}"))
        }
        _ => Ok(object.clone()),
    }
}

/// Is what the mesh reads the same in both?
fn same(new: &Value, old: &Value) -> bool {
    let parked = |object| at(object, &["metadata", "annotations", PARKED_ANNOTATION]).clone();
    new.get("spec") == old.get("spec") && parked(new) == parked(old)
}

/// A message, with the fields named as in the version in which the object was written.
fn as_written(request: &Request, message: String) -> String {
    match (request.kind.kind.as_str(), request.kind.version.as_str()) {
        ("TrafficTarget", "v1alpha1") => message.replace("spec.rules", "specs").replace("spec.", ""),
        ("HTTPRouteGroup", "v1alpha1" | "v1alpha2") => message.replace("spec.", ""),
        _ => message,
    }
}

/// A target without rules or sources is of the specification's grammar, and clients fill them in later: it is told,
/// not refused (smi.md §5 A17); so are matches of one name (A18).
fn refuses(fault: &Fault) -> bool {
    matches!(fault.effect, Effect::Excluded | Effect::PartlyRefused) && fault.reason != Reason::NothingGranted
}

/// Namespaces and Pods speak to the mesh by annotations. What was there before may stay, so that nobody is kept from
/// changing other things.
fn annotated(request: &Request) -> Answer {
    let of = |object: &Value| at(object, &["metadata", "annotations"]).clone();
    if of(&request.object) == of(&request.old_object) {
        return Answer::default();
    }
    let checked = match request.kind.kind.as_str() {
        "Namespace" => annotations::check_namespace(&request.object),
        "Pod" => annotations::check_pod(&request.object),
        _ => Ok(()),
    };
    let warnings = || annotations::telemetry_faults(&request.object);
    checked.map_or_else(Answer::refuse, |()| Answer { warnings: warnings(), ..Answer::default() })
}

fn parse<T: DeserializeOwned>(object: &Value) -> Result<T, String> {
    serde_json::from_value(object.clone())
        .map_err(|error| format!("the object doesn't have the shape of its kind: {error}"))
}

#[cfg(test)]
mod tests;
