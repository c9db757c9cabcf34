//! What is asked of the API server.

mod raw;

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
    core::{GroupVersionKind, Status},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{Error, manifest};
pub(crate) use raw::Body;

/// Who owns the fields that are applied.
const MANAGER: &str = "isthmus-conformance";
/// How long pods may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long namespaces may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// The cluster under test.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
}

/// An object that was applied.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    resource: ApiResource,
    pub(crate) kind: String,
    pub(crate) name: String,
    namespace: Option<String>,
    generation: i64,
    /// Does its group belong to SMI, or to us: has it a status that says whether it is in effect?
    pub(crate) of_mesh: bool,
}

/// Whether an object is in effect, by its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InEffect {
    /// It is, or it never will be, and says so.
    Settled,
    /// Its status says something else: what.
    Not(String),
    /// The mesh has written no condition at all.
    Untold,
}

impl Cluster {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(crate) async fn apply(&self, object: &Value) -> Result<Applied, Error> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let (api, kind) = (text("/apiVersion").unwrap_or_default(), text("/kind").unwrap_or_default());
        let (group, version) = api.split_once('/').unwrap_or(("", &api));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let (name, namespace) = (text("/metadata/name").unwrap_or_default(), text("/metadata/namespace"));
        let params = PatchParams::apply(MANAGER).force();
        let made = self.api(&resource, namespace.as_deref()).patch(&name, &params, &Patch::Apply(object)).await;
        let made = made.map_err(Error::cluster(format!("applying {api} {kind} {name}")))?;
        let of_mesh = group.ends_with("smi-spec.io") || group.ends_with("isthmus.mesh");
        Ok(Applied {
            resource,
            kind,
            name,
            namespace,
            generation: made.metadata.generation.unwrap_or_default(),
            of_mesh,
        })
    }

    pub(crate) async fn delete(&self, object: &Applied) -> Result<(), Error> {
        let api = self.api(&object.resource, object.namespace.as_deref());
        let deleted = api.delete(&object.name, &DeleteParams::default()).await;
        deleted.map(drop).map_err(Error::cluster(format!("deleting {object}")))
    }

    pub(crate) async fn get(&self, object: &Applied) -> Result<DynamicObject, Error> {
        let api = self.api(&object.resource, object.namespace.as_deref());
        api.get(&object.name).await.map_err(Error::cluster(format!("reading {object}")))
    }

    /// Waits until the condition says that the object is in effect, or `Accepted` that it has none.
    pub(crate) async fn in_effect(
        &self,
        object: &Applied,
        condition: &str,
        within: Duration,
    ) -> Result<InEffect, Error> {
        let deadline = Instant::now() + within;
        loop {
            let live = self.get(object).await?;
            let is = |kind: &str, value: &str| has_condition(&live, kind, "status", value, object.generation);
            // A mesh may take a kind that it doesn't enforce, and say so.
            let unenforced = has_condition(&live, condition, "reason", "NotEnforced", object.generation);
            if is(condition, "True") || is("Accepted", "False") || unenforced {
                return Ok(InEffect::Settled);
            }
            if Instant::now() >= deadline {
                if conditions(&live).next().is_none() {
                    return Ok(InEffect::Untold);
                }
                let status = live.data.get("status").map(Value::to_string).unwrap_or_default();
                let why = format!("{object} isn't {condition} after {} s: {status}", within.as_secs());
                return Ok(InEffect::Not(why));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The pods of a program, once there are so many, all ready, and none on its way out.
    pub(crate) async fn ready_pods(&self, namespace: &str, app: &str, count: usize) -> Result<Vec<String>, Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let labelled = ListParams::default().labels(&format!("app={app}"));
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let pods = api.list(&labelled).await.map_err(Error::cluster(format!("listing the pods of {app}")))?.items;
            if pods.len() == count && pods.iter().all(ready) {
                return Ok(pods.iter().map(ResourceExt::name_any).collect());
            }
            if Instant::now() >= deadline {
                let what = format!("Deployment {namespace}/{app}");
                return Err(Error::Unready { what, seconds: READY_WITHIN.as_secs(), why: unready(&pods, count) });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The way to pods.
    pub(crate) fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Deletes namespaces without waiting for their end.
    pub(crate) async fn delete_namespaces(&self, names: impl Iterator<Item = String>) -> Result<(), Error> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        for name in names {
            match api.delete(&name, &DeleteParams::default()).await {
                // Gone, or on its way.
                Ok(_) => {}
                Err(kube::Error::Api(status)) if is_gone(&status) => {}
                Err(error) => return Err(Error::cluster(format!("deleting namespace {name}"))(error)),
            }
        }
        Ok(())
    }

    /// Deletes the namespaces of a run, or of all, and waits for their end. How many there were.
    pub(crate) async fn clean(&self, run: Option<&str>) -> Result<usize, Error> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let label = run.map_or_else(|| manifest::LABEL.to_owned(), |run| format!("{}={run}", manifest::LABEL));
        let ours = ListParams::default().labels(&label);
        let names = async || {
            let list = api.list(&ours).await.map_err(Error::cluster("listing the suite's namespaces"))?;
            Ok::<_, Error>(list.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>())
        };
        let found = names().await?;
        let count = found.len();
        self.delete_namespaces(found.into_iter()).await?;
        let deadline = Instant::now() + GONE_WITHIN;
        loop {
            let left = names().await?;
            if left.is_empty() {
                return Ok(count);
            }
            if Instant::now() >= deadline {
                let what = format!("the end of {}", left.join(", "));
                return Err(Error::Unready { what, seconds: GONE_WITHIN.as_secs(), why: "still there".to_owned() });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn api(&self, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }
}

impl std::fmt::Display for Applied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

fn is_gone(status: &Status) -> bool {
    matches!(status.code, 404 | 409)
}

fn conditions(object: &DynamicObject) -> impl Iterator<Item = &Value> {
    object.data.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten()
}

fn has_condition(object: &DynamicObject, kind: &str, field: &str, value: &str, generation: i64) -> bool {
    conditions(object).any(|condition| {
        let text = |key| condition.get(key).and_then(Value::as_str);
        let of = condition.get("observedGeneration").and_then(Value::as_i64).unwrap_or(generation);
        text("type") == Some(kind) && text(field) == Some(value) && of >= generation
    })
}

fn ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}

/// What keeps pods from being ready.
fn unready(pods: &[Pod], count: usize) -> String {
    let mut why: BTreeMap<String, usize> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !ready(pod)) {
        let status = pod.status.clone().unwrap_or_default();
        let containers = status.init_container_statuses.into_iter().chain(status.container_statuses).flatten();
        let waiting = containers.filter_map(|c| c.state?.waiting?.reason).collect::<Vec<_>>().join(", ");
        let phase = status.phase.unwrap_or_default();
        *why.entry(if waiting.is_empty() { phase } else { waiting }).or_default() += 1;
    }
    let why: Vec<String> = why.into_iter().map(|(why, count)| format!("{count} {why}")).collect();
    format!("{} pods in place of {count}: {}", pods.len(), why.join("; "))
}
