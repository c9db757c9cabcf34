//! Cases are written in the newest versions. A mesh that reads older ones gets the same in those, where they can say it.
//!
//! By rules of the suite's own: with those of the mesh under test, their faults would go unseen.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::{
    case::{Case, Step},
    profile::Profile,
};

/// The case in versions that the mesh reads; or why there is no saying it.
pub(crate) fn fit(case: &Case, profile: &Profile) -> Result<Case, String> {
    let mut case = case.clone();
    let applied = case.steps.iter_mut().flat_map(Step::objects_mut);
    for object in applied.chain(&mut case.objects) {
        rewrite(object, profile)?;
    }
    Ok(case)
}

/// An object in a version that the mesh reads.
pub(crate) fn rewrite(object: &mut Value, profile: &Profile) -> Result<(), String> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api, kind) = (text("apiVersion"), text("kind"));
    let Some((group, version)) = api.split_once('/').filter(|(group, _)| group.ends_with(".smi-spec.io")) else {
        return Ok(());
    };
    let read = profile.reads(&kind);
    if read.iter().any(|read| read == version) {
        return Ok(());
    }
    let best = read.first().ok_or_else(|| format!("it reads no {kind}"))?;
    if version != "v1alpha4" {
        return Err(format!("it reads no {kind} of {version}"));
    }
    older(object, &kind, best).map_err(|what| format!("{kind} {best} has no {what}"))?;
    if let Some(object) = object.as_object_mut() {
        object.insert("apiVersion".to_owned(), format!("{group}/{best}").into());
    }
    Ok(())
}

/// From v1alpha4 to an older version; the error is what that has no words for.
fn older(object: &mut Value, kind: &str, version: &str) -> Result<(), &'static str> {
    let old = |versions: &[&str]| versions.contains(&version);
    let names =
        |pointer: &str| object.pointer(pointer).is_some_and(|v| v.as_array().is_none_or(|list| !list.is_empty()));
    match kind {
        "TrafficTarget" => {
            let subjects = ["/spec/destination", "/spec/sources"].iter().filter_map(|p| object.pointer(p));
            let mut subjects = subjects.flat_map(|v| v.as_array().cloned().unwrap_or_else(|| vec![v.clone()]));
            if subjects.any(|subject| subject.get("kind").and_then(Value::as_str) != Some("ServiceAccount")) {
                return Err("subjects other than ServiceAccounts");
            }
            if old(&["v1alpha1"]) {
                unwrap(object);
                rename(object, "rules", "specs");
            }
        }
        "HTTPRouteGroup" => {
            let mut matches = object.pointer("/spec/matches").and_then(Value::as_array).into_iter().flatten();
            if old(&["v1alpha1"]) && matches.any(|m| m.get("headers").is_some()) {
                return Err("headers");
            }
            if old(&["v1alpha1", "v1alpha2"]) {
                unwrap(object);
            }
        }
        "TCPRoute" if names("/spec/matches/ports") => return Err("ports"),
        "TCPRoute" => drop(object.as_object_mut().map(|o| o.insert("spec".to_owned(), Value::Object(Map::new())))),
        "TrafficSplit" if old(&["v1alpha1", "v1alpha2"]) && names("/spec/matches") => return Err("matches"),
        _ => {}
    }
    Ok(())
}

/// What is under `spec`, at the top.
fn unwrap(object: &mut Value) {
    if let Some(fields) = object.as_object_mut()
        && let Some(Value::Object(spec)) = fields.remove("spec")
    {
        fields.extend(spec);
    }
}

fn rename(object: &mut Value, from: &str, to: &str) {
    if let Some(fields) = object.as_object_mut()
        && let Some(value) = fields.remove(from)
    {
        fields.insert(to.to_owned(), value);
    }
}
