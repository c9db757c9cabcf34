//! The running pods of something.

use anyhow::{Context, bail};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::LabelSelector};
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
    core::{ApiResource, GroupVersionKind, Selector},
};
use serde_json::Value;

use crate::views::kinds::Target;

pub(super) async fn running(client: &Client, namespace: &str, target: &Target) -> anyhow::Result<Vec<Pod>> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let what = format!("{}/{}", target.resource.plural, target.name);
    if target.resource.kind == "Pod" {
        let found = pods.get(&target.name).await.with_context(|| format!("{what} in namespace {namespace}"))?;
        return Ok(vec![found]);
    }
    let (group, version) = group(target.resource.kind);
    let kind = GroupVersionKind::gvk(group, version, target.resource.kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, target.resource.plural);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let object = api.get(&target.name).await.with_context(|| format!("{what} in namespace {namespace}"))?;
    let selector = selector(object.data.pointer("/spec/selector")).with_context(|| what.clone())?;
    let mut found = pods.list(&ListParams::default().labels_from(&selector)).await?.items;
    found.retain(|pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running"));
    if found.is_empty() {
        bail!("{what} in namespace {namespace} has no running pod");
    }
    Ok(found)
}

fn group(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "Service" | "ReplicationController" => ("", "v1"),
        "Job" => ("batch", "v1"),
        _ => ("apps", "v1"),
    }
}

/// A Service and a ReplicationController select by labels alone.
fn selector(told: Option<&Value>) -> anyhow::Result<Selector> {
    let told =
        told.filter(|told| told.as_object().is_some_and(|told| !told.is_empty())).context("it selects no pods")?;
    if told.get("matchLabels").or_else(|| told.get("matchExpressions")).is_none() {
        let labels: Option<Vec<(String, String)>> = told.as_object().map(|labels| {
            let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
            labels.iter().filter_map(text).collect()
        });
        return Ok(labels.unwrap_or_default().into_iter().collect());
    }
    let told: LabelSelector = serde_json::from_value(told.clone())?;
    Ok(told.try_into()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_of_both_shapes_are_read_and_none_is_everything() {
        let read = |told: Value| selector(Some(&told)).map(|selector| selector.to_string()).ok();
        assert_eq!(read(json!({ "app": "web" })).as_deref(), Some("app=web"));
        assert_eq!(read(json!({ "matchLabels": { "app": "web" } })).as_deref(), Some("app=web"));
        let expression = json!({ "matchExpressions": [{ "key": "app", "operator": "In", "values": ["web"] }] });
        assert_eq!(read(expression).as_deref(), Some("app in (web)"));
        assert_eq!(read(json!({})), None);
        assert!(selector(None).is_err());
    }
}
