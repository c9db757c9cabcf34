//! What the objects of federation say.

use anyhow::Context;
use isthmus_tests::{
    meshes::Mesh,
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::scene::{NAMESPACE, PATIENCE};

/// A condition's status and reason; its message is for failures.
fn condition(object: &Value, kind: &str) -> anyhow::Result<(String, String, String)> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let is_it = |condition: &&Value| condition.get("type").and_then(Value::as_str) == Some(kind);
    let found = conditions.into_iter().flatten().find(is_it);
    let found = found.with_context(|| format!("no condition {kind}: {object}"))?;
    let text = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok((text("status"), text("reason"), text("message")))
}

/// Waits until an object's condition has this status (and reason, if one is given); its message.
pub(crate) fn until_condition(
    mesh: &Mesh,
    object: &str,
    kind: &str,
    status: &str,
    reason: Option<&str>,
) -> anyhow::Result<String> {
    until(&format!("{kind}={status} of {object} in {}", mesh.name), PATIENCE, || {
        let (what, name) = object.split_once('/').context("kind/name")?;
        let live = mesh.kubectl.get(NAMESPACE, what, name)?;
        let (seen, why, message) = condition(&live, kind)?;
        expect_eq(&format!("{kind}, {why}: {message}"), seen.as_str(), status)?;
        expect_eq("reason", reason.map(|_| why.as_str()), reason)?;
        Ok(message)
    })
}

/// Waits until every proxy that an object concerns has taken its present generation over.
pub(crate) fn until_programmed(mesh: &Mesh, object: &str) -> anyhow::Result<()> {
    until_condition(mesh, object, "Programmed", "True", None).map(drop)
}

/// How fresh an import is: `Fresh`, `Stale` or `Expired`.
pub(crate) fn freshness(mesh: &Mesh, import: &str) -> anyhow::Result<String> {
    let live = mesh.kubectl.get(NAMESPACE, "importedservice", import)?;
    let state = live.pointer("/status/state").and_then(Value::as_str);
    Ok(state.with_context(|| format!("{import} has no state: {live}"))?.to_owned())
}

/// Waits until an import is so fresh.
pub(crate) fn until_freshness(mesh: &Mesh, import: &str, wanted: &str) -> anyhow::Result<()> {
    until(&format!("{import} of {} to be {wanted}", mesh.name), PATIENCE, || {
        expect_eq("state", freshness(mesh, import)?.as_str(), wanted)
    })
}

/// Waits until an import has so many endpoints.
pub(crate) fn until_endpoints(mesh: &Mesh, import: &str, wanted: usize) -> anyhow::Result<()> {
    until(&format!("{import} of {} to have {wanted} endpoints", mesh.name), PATIENCE, || {
        let live = mesh.kubectl.get(NAMESPACE, "importedservice", import)?;
        let seen = live.pointer("/status/endpoints").and_then(Value::as_u64);
        expect_eq("endpoints", seen, Some(u64::try_from(wanted)?))
    })
}

/// Waits until the gateways by which an import is reached are at these addresses, and the proxies that use it know.
pub(crate) fn until_gateways(mesh: &Mesh, import: &str, wanted: &[String]) -> anyhow::Result<()> {
    until(&format!("{import} of {} to be reached at {wanted:?}", mesh.name), PATIENCE, || {
        let live = mesh.kubectl.get(NAMESPACE, "importedservice", import)?;
        let all = live.pointer("/status/catalog/0/gateways").and_then(Value::as_array).into_iter().flatten();
        expect_eq(
            "gateways",
            all.filter_map(Value::as_str).collect::<Vec<_>>(),
            wanted.iter().map(String::as_str).collect(),
        )
    })?;
    until_programmed(mesh, &format!("importedservice/{import}"))
}

/// Waits until a mesh says that it has (or hasn't) a session with the hub.
pub(crate) fn until_connected(mesh: &Mesh, wanted: bool) -> anyhow::Result<()> {
    until(&format!("{} to say connected: {wanted}", mesh.name), PATIENCE, || {
        let live = mesh.kubectl.get(NAMESPACE, "mesh", mesh.name)?;
        let seen = live.pointer("/status/hub/connected").and_then(Value::as_bool);
        expect_eq(&format!("connected ({:?})", live.pointer("/status/hub")), seen, Some(wanted))
    })
}
