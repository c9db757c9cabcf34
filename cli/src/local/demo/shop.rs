//! The sample shop, and the way to make its programs call each other.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{AttachParams, DynamicObject, ListParams},
    runtime::wait::await_condition,
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::local::{apply::Applier, mesh};

/// Where the shop lives.
pub(super) const NAMESPACE: &str = "shop";
/// How long workloads may take to be ready, and objects to be programmed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A file of `examples/`, part of the program so that the demo needs no checkout.
pub(super) struct Example {
    pub(super) file: &'static str,
    pub(super) yaml: &'static str,
}

macro_rules! example {
    ($name:ident, $file:literal) => {
        pub(super) const $name: $crate::local::demo::shop::Example = $crate::local::demo::shop::Example {
            file: concat!("examples/", $file),
            yaml: include_str!(concat!("../../../../examples/", $file)),
        };
    };
}
example!(NAMESPACE_YAML, "shop/01-namespace.yaml");
example!(SHOP, "shop/02-shop.yaml");
example!(OPEN_CATALOG, "10-open-catalog.yaml");
example!(CANARY, "20-canary.yaml");
example!(CANARY_HALF, "21-canary-half.yaml");
example!(AB_BY_HEADER, "30-ab-by-header.yaml");
example!(OPEN_ORDERS, "40-open-orders.yaml");
example!(OPEN_STORE, "50-open-store.yaml");
example!(BIND_IDENTITY, "60-bind-identity.yaml");

/// A way into a program's pod, past its proxy: HTTP over an exec's streams.
type Door = http1::SendRequest<Full<Bytes>>;

pub(super) struct Shop {
    pub(super) client: Client,
    applier: Applier,
    doors: HashMap<&'static str, Mutex<Door>>,
}

/// What a program of the shop got in answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u64,
    /// The code of a denial.
    pub(super) denied: Option<String>,
    pub(super) body: Value,
}

impl Answer {
    /// `200`, `403 no-grant`.
    pub(super) fn brief(&self) -> String {
        self.denied.as_ref().map_or_else(|| self.status.to_string(), |code| format!("{} {code}", self.status))
    }

    /// A field of a JSON body.
    pub(super) fn field(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Shop {
    pub(super) fn new(client: Client) -> Self {
        Self { applier: Applier::new(client.clone()), client, doors: HashMap::new() }
    }

    /// Applies a file, and waits until every SMI object in it is in effect.
    pub(super) async fn apply(&mut self, example: &Example) -> anyhow::Result<Vec<DynamicObject>> {
        let applied = self.applier.apply_yaml(example.yaml).await.context(example.file)?;
        for object in applied.iter().filter(|o| o.types.as_ref().is_some_and(|t| t.api_version.contains("smi-spec.io")))
        {
            self.applier.wait(object, "Programmed", PATIENCE).await?;
        }
        Ok(applied)
    }

    pub(super) async fn delete(&mut self, object: &DynamicObject) -> anyhow::Result<()> {
        self.applier.delete(object).await
    }

    /// Waits until every Deployment of the shop has its pods ready.
    pub(super) async fn wait_ready(&self) -> anyhow::Result<()> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), NAMESPACE);
        for deployment in api.list(&ListParams::default()).await? {
            let name = deployment.name_any();
            let ready = |d: Option<&Deployment>| {
                d.is_some_and(|d| {
                    let status = d.status.as_ref();
                    let (wanted, count) =
                        (d.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1), status.and_then(|s| s.ready_replicas));
                    status.and_then(|s| s.observed_generation) >= d.metadata.generation && count == Some(wanted)
                })
            };
            match tokio::time::timeout(PATIENCE, await_condition(api.clone(), &name, ready)).await {
                Ok(found) => drop(found?),
                Err(_) => {
                    let unready = mesh::unready(&self.client, NAMESPACE).await?;
                    bail!("deployment {name} isn't ready after {} s: {unready}", PATIENCE.as_secs())
                }
            }
        }
        Ok(())
    }

    /// Opens the way to a program's pod.
    pub(super) async fn open_door(&mut self, app: &'static str) -> anyhow::Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let pod = pods.list(&ListParams::default().labels(&format!("app={app}"))).await?;
        let pod = pod.items.first().with_context(|| format!("no pod of {app}"))?.name_any();
        let program = std::env::current_exe()?.to_string_lossy().into_owned();
        let params = AttachParams::default().container(app).stdin(true).stderr(false);
        let mut pipe =
            pods.exec(&pod, [&program, "app", "pipe"], &params).await.with_context(|| format!("exec in {pod}"))?;
        let (Some(input), Some(output)) = (pipe.stdin(), pipe.stdout()) else { bail!("exec in {pod} gave no streams") };
        let stream = tokio::io::join(output, input);
        let (door, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Whoever uses the door sees its end as an error of the request.
            let _ = connection.await;
            drop(pipe);
        });
        self.doors.insert(app, Mutex::new(door));
        Ok(())
    }

    /// Sends JSON to a program, past its proxy.
    pub(super) async fn tell(&self, app: &str, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let mut door = self.doors.get(app).with_context(|| format!("no way to {app}"))?.lock().await;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request =
            Request::builder().method(method).uri(path).header(HOST, app).body(Full::new(Bytes::from(body)))?;
        let exchange = async {
            door.ready().await?;
            let response = door.send_request(request).await?;
            anyhow::Ok(response.into_body().collect().await?.to_bytes())
        };
        let answer =
            tokio::time::timeout(PATIENCE, exchange).await.with_context(|| format!("{app}{path}: no answer"))??;
        serde_json::from_slice(&answer)
            .with_context(|| format!("{app}{path} said {:?}", String::from_utf8_lossy(&answer)))
    }

    /// Makes a program send a request; `headers` may be `json!({})`.
    pub(super) async fn ask(&self, app: &str, method: &str, url: &str, headers: Value) -> anyhow::Result<Answer> {
        let asked = json!({ "method": method, "url": url, "headers": headers });
        let told = self.tell(app, "POST", "/ask", &asked).await?;
        if let Some(error) = told.get("error") {
            bail!("{app}: {method} {url}: {error}");
        }
        let text = told.get("body").and_then(Value::as_str).unwrap_or_default();
        let denied = told.pointer("/headers/x-isthmus-deny").and_then(Value::as_str);
        Ok(Answer {
            status: told.get("status").and_then(Value::as_u64).unwrap_or_default(),
            denied: denied.map(str::to_owned),
            body: serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        })
    }

    /// `count` requests of web to the catalog; how many each version has answered.
    pub(super) async fn versions(&self, count: usize, headers: Value) -> anyhow::Result<(usize, usize)> {
        let (mut v1, mut v2) = (0, 0);
        for _ in 0..count {
            let answer = self.ask("web", "GET", "http://catalog/items", headers.clone()).await?;
            match answer.field("version") {
                "v1" => v1 += 1,
                "v2" => v2 += 1,
                _ => bail!("GET http://catalog/items: {}", answer.brief()),
            }
        }
        Ok((v1, v2))
    }
}
