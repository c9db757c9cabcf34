//! Applying YAML through the Kubernetes API, as `kubectl apply --server-side` does, and waiting for what comes of it.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, bail};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, TypeMeta},
    core::GroupVersionKind,
    discovery::{self, ApiCapabilities, ApiResource, Scope},
    runtime::wait::await_condition,
};
use serde_json::Value;

/// Who owns the fields that we apply.
pub(crate) const MANAGER: &str = "isthmus";

/// Applies objects; remembers what discovery has said.
#[derive(Clone)]
pub(crate) struct Applier {
    client: Client,
    kinds: HashMap<GroupVersionKind, (ApiResource, ApiCapabilities)>,
}

/// Reads the objects of a YAML text of several documents; empty ones are passed over.
pub(crate) fn objects(yaml: &str) -> anyhow::Result<Vec<DynamicObject>> {
    let values: Vec<Value> = serde_saphyr::from_multiple(yaml)?;
    let objects = values.into_iter().filter(|v| !v.is_null()).map(serde_json::from_value);
    objects.collect::<Result<_, _>>().context("a document is not a Kubernetes object")
}

impl Applier {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, kinds: HashMap::new() }
    }

    /// Applies every object of a YAML text, in order; gives them back as the server has them.
    pub(crate) async fn apply_yaml(&mut self, yaml: &str) -> anyhow::Result<Vec<DynamicObject>> {
        let mut applied = Vec::new();
        for object in objects(yaml)? {
            applied.push(self.apply(object).await?);
        }
        Ok(applied)
    }

    pub(crate) async fn apply(&mut self, object: DynamicObject) -> anyhow::Result<DynamicObject> {
        let (what, name) = (describe(&object), object.name_any());
        let api = self.api(&object).await.with_context(|| what.clone())?;
        let params = PatchParams::apply(MANAGER).force();
        api.patch(&name, &params, &Patch::Apply(&object)).await.with_context(|| format!("applying {what}"))
    }

    pub(crate) async fn delete(&mut self, object: &DynamicObject) -> anyhow::Result<()> {
        let api = self.api(object).await?;
        let deleted = api.delete(&object.name_any(), &Default::default()).await;
        deleted.map(drop).with_context(|| format!("deleting {}", describe(object)))
    }

    /// Waits until the condition is true of the generation that `object` has.
    pub(crate) async fn wait(
        &mut self,
        object: &DynamicObject,
        condition: &str,
        within: Duration,
    ) -> anyhow::Result<()> {
        let api = self.api(object).await?;
        let generation = object.metadata.generation.unwrap_or_default();
        let holds = |live: Option<&DynamicObject>| live.is_some_and(|live| is_true(live, condition, generation));
        let waited = tokio::time::timeout(within, await_condition(api.clone(), &object.name_any(), holds)).await;
        let Ok(found) = waited else {
            let live = api.get(&object.name_any()).await?;
            let status = live.data.get("status").map_or_else(|| "no status".to_owned(), Value::to_string);
            bail!("{} isn't {condition} after {} s: {status}", describe(object), within.as_secs());
        };
        found.map(drop).with_context(|| describe(object))
    }

    async fn api(&mut self, object: &DynamicObject) -> anyhow::Result<Api<DynamicObject>> {
        let types = object.types.as_ref().context("an object without apiVersion and kind")?;
        let gvk = GroupVersionKind::try_from(types)?;
        if !self.kinds.contains_key(&gvk) {
            let found = discovery::oneshot::pinned_kind(&self.client, &gvk).await;
            let found = found.with_context(|| format!("the cluster has no {} {}", types.api_version, types.kind))?;
            self.kinds.insert(gvk.clone(), found);
        }
        let (resource, capabilities) = self.kinds.get(&gvk).context("discovery")?;
        Ok(match (&capabilities.scope, object.meta().namespace.as_deref()) {
            (Scope::Cluster, _) => Api::all_with(self.client.clone(), resource),
            (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(self.client.clone(), namespace, resource),
            (Scope::Namespaced, None) => Api::default_namespaced_with(self.client.clone(), resource),
        })
    }
}

/// `kind namespace/name`.
pub(crate) fn describe(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("object", |TypeMeta { kind, .. }| kind.as_str());
    match object.namespace() {
        Some(namespace) => format!("{kind} {namespace}/{}", object.name_any()),
        None => format!("{kind} {}", object.name_any()),
    }
}

/// Is the condition true, and does it speak of this generation or a later one?
fn is_true(object: &DynamicObject, condition: &str, generation: i64) -> bool {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|c| {
        let text = |key| c.get(key).and_then(Value::as_str);
        let seen = c.get("observedGeneration").and_then(Value::as_i64).unwrap_or(generation);
        text("type") == Some(condition) && text("status") == Some("True") && seen >= generation
    })
}

#[cfg(test)]
mod tests;
