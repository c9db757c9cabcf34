//! The calls of clients that write TrafficSplits, as they make them: by an older version, whole objects or merge patches
//! (reference: Flagger 1.40 against a recorded API server, and the source of Argo Rollouts).

use ::http::HeaderValue;
use anyhow::{Context, bail};
use isthmus_tests::{
    cluster::Cluster,
    http,
    kubectl::PortForward,
    wait::{expect_eq, until},
};
use serde_json::{Value, json};

use crate::stage::{PATIENCE, Stage};

/// The versions that Flagger's providers and Argo's `--traffic-split-api-version` write. `linkerd` and `smi:v1alpha1` write the
/// first, `osm` and `smi:v1alpha2` the second, `smi:v1alpha3` the third.
pub(crate) const VERSIONS: [&str; 3] = ["v1alpha1", "v1alpha2", "v1alpha3"];

/// The API server.
pub(crate) struct Server {
    api: PortForward,
    namespace: &'static str,
}

impl Server {
    pub(crate) fn of(cluster: &Cluster, namespace: &'static str) -> anyhow::Result<Self> {
        Ok(Self { api: cluster.kubectl.proxy()?, namespace })
    }

    /// Status and answer.
    fn send(&self, method: &str, path: &str, media: &'static str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut request = http::with_body(method, path, body);
        request.headers_mut().insert("content-type", HeaderValue::from_static(media));
        let answer = http::send(self.api.port, request)?;
        let value = serde_json::from_str(answer.body()).with_context(|| answer.body().clone())?;
        Ok((answer.status().as_u16(), value))
    }

    fn done(&self, method: &str, path: &str, media: &'static str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.send(method, path, media, body)?;
        if !(200..300).contains(&status) {
            bail!("{method} {path} {body}: {status} {answer}");
        }
        Ok(answer)
    }

    fn splits(&self, version: &str) -> String {
        format!("/apis/split.smi-spec.io/{version}/namespaces/{}/trafficsplits", self.namespace)
    }

    /// A split by this version. `None`: 404.
    pub(crate) fn split(&self, version: &str, name: &str) -> anyhow::Result<Option<Value>> {
        let path = format!("{}/{name}", self.splits(version));
        match self.send("GET", &path, "application/json", &Value::Null)? {
            (404, _) => Ok(None),
            (200, split) => Ok(Some(split)),
            (status, answer) => bail!("GET {path}: {status} {answer}"),
        }
    }

    pub(crate) fn create_split(&self, version: &str, split: &Value) -> anyhow::Result<Value> {
        self.done("POST", &self.splits(version), "application/json", split)
    }

    /// Flagger: the whole object, as a client without a field for the status reads it and writes it back.
    pub(crate) fn put_split(&self, version: &str, mut split: Value) -> anyhow::Result<Value> {
        split.as_object_mut().context("no object")?.remove("status");
        let name = split.pointer("/metadata/name").and_then(Value::as_str).context("no name")?.to_owned();
        self.done("PUT", &format!("{}/{name}", self.splits(version)), "application/json", &split)
    }

    pub(crate) fn delete_split(&self, version: &str, name: &str) -> anyhow::Result<()> {
        self.delete(&format!("{}/{name}", self.splits(version)))
    }

    /// Argo: only what differs.
    pub(crate) fn patch_split(&self, version: &str, name: &str, patch: &Value) -> anyhow::Result<Value> {
        self.done("PATCH", &format!("{}/{name}", self.splits(version)), "application/merge-patch+json", patch)
    }

    /// Argo: moves a Service to the pods of a ReplicaSet.
    pub(crate) fn switch(&self, service: &str, hash: &str, rollout: &str) -> anyhow::Result<()> {
        let path = format!("/api/v1/namespaces/{}/services/{service}", self.namespace);
        let patch = json!({
            "metadata": { "annotations": { "argo-rollouts.argoproj.io/managed-by-rollouts": rollout } },
            "spec": { "selector": { "rollouts-pod-template-hash": hash } }
        });
        self.done("PATCH", &path, "application/merge-patch+json", &patch).map(drop)
    }

    /// Flagger: a Service or Deployment, made or written whole.
    pub(crate) fn write(&self, kind: &str, name: &str, change: impl Fn(&mut Value)) -> anyhow::Result<()> {
        let prefix = if kind == "services" { "/api/v1" } else { "/apis/apps/v1" };
        let all = format!("{prefix}/namespaces/{}/{kind}", self.namespace);
        let one = format!("{all}/{name}");
        match self.send("GET", &one, "application/json", &Value::Null)? {
            (404, _) => {
                let mut object = json!({ "metadata": { "name": name, "namespace": self.namespace } });
                change(&mut object);
                self.done("POST", &all, "application/json", &object).map(drop)
            }
            (200, _) => until(&format!("{name} to be written"), PATIENCE, || {
                // 409 is tried again with the next loop.
                let mut object = self.done("GET", &one, "application/json", &Value::Null)?;
                change(&mut object);
                self.done("PUT", &one, "application/json", &object).map(drop)
            }),
            (status, answer) => bail!("GET {one}: {status} {answer}"),
        }
    }

    /// Endpoints of a Service that nobody keeps: this pod (name and address), whatever the Service selects. Says where they are.
    pub(crate) fn list_late(&self, service: &str, pod: &str) -> anyhow::Result<String> {
        let (pod, address) = pod.split_once(' ').context("no pod")?;
        let all = format!("/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices", self.namespace);
        let slice = json!({
            "metadata": { "name": "late", "labels": { "kubernetes.io/service-name": service } },
            "addressType": "IPv4",
            "ports": [{ "name": "http", "port": 8080, "protocol": "TCP" }],
            "endpoints": [{ "addresses": [address], "conditions": { "ready": true },
                "targetRef": { "kind": "Pod", "name": pod, "namespace": self.namespace } }]
        });
        self.done("POST", &all, "application/json", &slice)?;
        Ok(format!("{all}/late"))
    }

    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.done("DELETE", path, "application/json", &Value::Null).map(drop)
    }

    pub(crate) fn scale(&self, deployment: &str, replicas: u32) -> anyhow::Result<()> {
        let path = format!("/apis/apps/v1/namespaces/{}/deployments/{deployment}", self.namespace);
        let patch = json!({ "spec": { "replicas": replicas } });
        self.done("PATCH", &path, "application/merge-patch+json", &patch).map(drop)
    }
}

/// A split as both make it: with an owner of a kind that nobody else knows.
pub(crate) fn split(name: &str, owner: (&str, &str), service: &str, backends: Value) -> Value {
    let (api, kind) = owner;
    json!({
        "metadata": {
            "name": name,
            "ownerReferences": [{ "apiVersion": api, "kind": kind, "name": "callee", "controller": true,
                "blockOwnerDeletion": true, "uid": "9d2cf1a0-5bd1-4b1e-9c54-1f0f9f8a6f11" }]
        },
        "spec": { "service": service, "backends": backends }
    })
}

/// Weights as each version writes them: a Quantity in JSON is a string.
pub(crate) fn backends(version: &str, weights: &[(&str, u64)]) -> Value {
    let weight = |weight: u64| if version == "v1alpha1" { json!(weight.to_string()) } else { json!(weight) };
    weights.iter().map(|(service, number)| json!({ "service": service, "weight": weight(*number) })).collect()
}

/// What was written is what is read by the same version.
pub(crate) fn reads_back(server: &Server, version: &str, name: &str, backends: &Value) -> anyhow::Result<()> {
    let split = server.split(version, name)?.context("no split")?;
    expect_eq("backends", split.pointer("/spec/backends"), Some(backends))?;
    let owners = split.pointer("/metadata/ownerReferences").and_then(Value::as_array).map_or(0, Vec::len);
    expect_eq("owners", owners, 1)
}

/// Writes a field, and the objects that lead to it.
pub(crate) fn set(object: &mut Value, path: &[&str], value: Value) {
    match path.split_first() {
        None => *object = value,
        Some((field, rest)) => {
            if !object.is_object() {
                *object = json!({});
            }
            let fields = object.as_object_mut().into_iter();
            fields.for_each(|fields| set(fields.entry(*field).or_insert(Value::Null), rest, value.clone()));
        }
    }
}

/// A condition of an object.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let all = object.pointer("/status/conditions").and_then(Value::as_array)?;
    all.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
}

/// How often a version has answered, when all that was under way has been answered.
pub(crate) fn answers_of(stage: &Stage<'_>, version: &str) -> anyhow::Result<u64> {
    stage.go_on()?;
    Ok(stage.answers("versions")?.get(version).copied().unwrap_or_default())
}
