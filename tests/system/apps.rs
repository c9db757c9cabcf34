//! Three instances of the conformance app, and the way to drive them: by `kubectl port-forward`, which enters the pod
//! itself and so passes no proxy. What app-a calls does.

use std::time::Duration;

use anyhow::Context;
use isthmus_tests::{
    cluster::Cluster,
    http,
    kubectl::PortForward,
    wait::{expect_eq, until},
};
use serde_json::{Value, json};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const PORT: u16 = 9091;

/// A case's three applications and the way to them.
pub(crate) struct Case<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) namespace: &'static str,
    pub(crate) a: PortForward,
    pub(crate) b: PortForward,
    pub(crate) c: PortForward,
}

impl<'a> Case<'a> {
    /// Step 02: the applications, ready. With `accounts` each runs as its own ServiceAccount.
    pub(crate) fn install(cluster: &'a Cluster, namespace: &'static str, accounts: bool) -> anyhow::Result<Self> {
        let kubectl = &cluster.kubectl;
        kubectl.run(&["create", "namespace", namespace])?;
        kubectl.run(&["label", "namespace", namespace, "isthmus.mesh/inject=enabled"])?;
        let yaml: String = ["a", "b", "c"].iter().map(|app| application(app, accounts)).collect();
        kubectl.apply(namespace, &yaml)?;
        for app in ["a", "b", "c"] {
            let deployment = format!("deployment/app-{app}-deployment");
            kubectl
                .run(&["rollout", "status", "-n", namespace, &deployment, "--timeout=60s"])
                .with_context(|| describe(cluster, namespace))?;
        }
        let forward = |app: &str| kubectl.port_forward(namespace, &format!("deployment/app-{app}-deployment"), PORT);
        Ok(Self { cluster, namespace, a: forward("a")?, b: forward("b")?, c: forward("c")? })
    }

    /// `DELETE /metrics` on all three.
    pub(crate) fn clear(&self) -> anyhow::Result<()> {
        for forward in [&self.a, &self.b, &self.c] {
            expect_eq(
                "DELETE /metrics",
                http::send(forward.port, http::request("DELETE", "/metrics"))?.status(),
                200.try_into()?,
            )?;
        }
        Ok(())
    }

    /// Makes app-a call.
    pub(crate) fn call(&self, url: &str, method: &str) -> anyhow::Result<()> {
        let body = json!({ "url": url, "method": method, "body": "", "headers": {} }).to_string();
        http::send(self.a.port, http::with_body("POST", "/call", body))?;
        Ok(())
    }

    /// `GET /metrics` of one application.
    fn metrics(forward: &PortForward) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(http::send(forward.port, http::request("GET", "/metrics"))?.body())?)
    }

    /// URLs and methods that app-a saw succeed and fail.
    pub(crate) fn outcome(&self) -> anyhow::Result<(Vec<String>, Vec<String>)> {
        let metrics = Self::metrics(&self.a)?;
        let list = |key: &str| -> Vec<String> {
            let entries = metrics.get(key).and_then(Value::as_array).into_iter().flatten();
            entries.map(|e| format!("{} {}", text(e, "Method"), text(e, "URL"))).collect()
        };
        Ok((list("RespSucceeded"), list("RespFailed")))
    }

    /// Names in one application's `ReqReceived`.
    pub(crate) fn received(forward: &PortForward) -> anyhow::Result<Vec<String>> {
        let metrics = Self::metrics(forward)?;
        let names = metrics.get("ReqReceived").and_then(Value::as_array).into_iter().flatten();
        Ok(names.filter_map(|n| n.as_str().map(str::to_owned)).collect())
    }

    pub(crate) fn url(&self, service: &str, path: &str) -> String {
        format!("http://{service}.{}.svc.cluster.local.:{PORT}{path}", self.namespace)
    }

    fn programmed(&self, object: &str) -> anyhow::Result<()> {
        let args = ["wait", "-n", self.namespace, "--for=condition=Programmed", object, "--timeout=30s"];
        self.cluster.kubectl.run(&args).with_context(|| describe(self.cluster, self.namespace)).map(drop)
    }

    /// Applies and waits until the generation applied is in effect.
    pub(crate) fn apply(&self, yaml: &str, objects: &[&str]) -> anyhow::Result<()> {
        self.cluster.kubectl.apply(self.namespace, yaml)?;
        for object in objects {
            until(&format!("{object}'s status to be of its generation"), PATIENCE, || {
                let (kind, name) = object.split_once('/').context("kind/name")?;
                let live = self.cluster.kubectl.get(self.namespace, kind, name)?;
                let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
                let programmed = conditions.into_iter().flatten().find(|c| text(c, "type") == "Programmed");
                let seen = programmed.and_then(|c| c.get("observedGeneration")).cloned();
                expect_eq("observedGeneration", seen, live.pointer("/metadata/generation").cloned())
            })?;
            self.programmed(object)?;
        }
        Ok(())
    }
}

pub(crate) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// What `kubectl` says of a namespace, for a failure's message.
pub(crate) fn describe(cluster: &Cluster, namespace: &str) -> String {
    let look = |args: &[&str]| cluster.kubectl.try_run(args, None).map(|o| o.stdout + &o.stderr).unwrap_or_default();
    look(&["get", "pods,events,tt,ts,htr,tr", "-n", namespace]) + &look(&["describe", "pods", "-n", namespace])
}

fn application(app: &str, accounts: bool) -> String {
    let (account, labels) = if accounts {
        (format!("service-{app}"), format!("{{ app: app-{app} }}"))
    } else if app == "a" {
        ("default".to_owned(), "{ app: app-a }".to_owned())
    } else {
        ("default".to_owned(), format!("{{ app: app, version: {app} }}"))
    };
    let account_object = if accounts {
        format!("---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{ name: {account} }}\n")
    } else {
        String::new()
    };
    format!(
        "{account_object}---
apiVersion: v1
kind: Service
metadata: {{ name: app-{app} }}
spec:
  type: NodePort
  selector: {labels}
  ports: [{{ name: http, port: {PORT}, targetPort: {PORT} }}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: app-{app}-deployment }}
spec:
  replicas: 1
  selector: {{ matchLabels: {labels} }}
  template:
    metadata: {{ labels: {labels} }}
    spec:
      serviceAccountName: {account}
      containers:
        - name: app
          image: isthmus/app
          env: [{{ name: SERVICE_NAME, value: app-{app} }}, {{ name: PORT, value: \"{PORT}\" }}]
          ports: [{{ name: http, containerPort: {PORT} }}]
"
    )
}
