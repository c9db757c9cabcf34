//! What a caller that is denied sees (smi.md §5 A20).

use anyhow::{Context, bail};
use isthmus_tests::{
    cluster::Cluster,
    http,
    wait::{expect_eq, until},
};
use serde_json::{Value, json};

use crate::apps::PATIENCE;

const NAMESPACE: &str = "a20-denial";

/// This file's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![("a20_a_denial_is_403_with_its_code_and_a_closed_tcp_connection", denial as super::Body)]
}

fn denial(cluster: &Cluster) -> anyhow::Result<()> {
    let kubectl = &cluster.kubectl;
    kubectl.run(&["create", "namespace", NAMESPACE])?;
    kubectl.run(&["label", "namespace", NAMESPACE, "isthmus.mesh/inject=enabled"])?;
    let programs = [("web", 8080), ("catalog", 8080), ("store", 6380)];
    kubectl.apply(NAMESPACE, &programs.map(|(program, port)| workload(program, port)).concat())?;
    for (program, _) in programs {
        let deployment = format!("deployment/{program}");
        kubectl.run(&["rollout", "status", "-n", NAMESPACE, &deployment, "--timeout=60s"])?;
    }
    let web = kubectl.port_forward(NAMESPACE, "deployment/web", 8080)?;
    let asks = |path: &str, body: Value| -> anyhow::Result<Value> {
        let answer = http::send(web.port, http::with_body("POST", path, body.to_string()))?;
        serde_json::from_str(answer.body()).with_context(|| answer.body().clone())
    };
    let by_http = || asks("/ask", json!({ "url": "http://catalog:8080/items" }));
    let by_tcp = || asks("/tcp", json!({ "address": "store:6380" }));

    let answer = by_http()?;
    expect_eq("status", answer.get("status").and_then(Value::as_u64), Some(403))?;
    let code = answer.pointer("/headers/x-isthmus-deny").and_then(Value::as_str);
    expect_eq("x-isthmus-deny", code, Some("no-grant"))?;
    let answer = by_tcp()?;
    let error = answer.get("error").and_then(Value::as_str).unwrap_or_default();
    if answer.get("reply").is_some() || error.is_empty() || error.contains("no answer in") {
        bail!("the TCP connection wasn't closed at once: {answer}");
    }

    // The same calls, allowed: so it was the policy that refused them.
    kubectl.apply(NAMESPACE, OPEN)?;
    until("the calls to be allowed", PATIENCE, || {
        expect_eq("status", by_http()?.get("status").and_then(Value::as_u64), Some(200))?;
        expect_eq("reply", by_tcp()?.get("reply").and_then(Value::as_str), Some("PONG"))
    })
}

const OPEN: &str = "
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: { name: all }
spec: { matches: { ports: [] } }
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: open }
spec:
  destination: { kind: ServiceAccount, name: default }
  sources: [{ kind: ServiceAccount, name: default }]
  rules: [{ kind: TCPRoute, name: all }]
";

fn workload(program: &str, port: u16) -> String {
    format!(
        "---
apiVersion: v1
kind: Service
metadata: {{ name: {program} }}
spec: {{ selector: {{ app: {program} }}, ports: [{{ port: {port} }}] }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {program} }}
spec:
  selector: {{ matchLabels: {{ app: {program} }} }}
  template:
    metadata: {{ labels: {{ app: {program} }} }}
    spec: {{ containers: [{{ name: app, image: isthmus/app, args: [{program}] }}] }}
"
    )
}
