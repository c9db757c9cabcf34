//! What `isthmus migrate` prints is taken by a real API server with the mesh's admission, and read back by `isthmus export`.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, bail, ensure};
use isthmus_tests::{cluster::Cluster, wait::expect_eq};

const NAMESPACE: &str = "migrate";

/// This file's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![("what_migrate_prints_applies_and_is_exported", migrate as super::Body)]
}

fn migrate(cluster: &Cluster) -> anyhow::Result<()> {
    let kubectl = &cluster.kubectl;
    kubectl.run(&["create", "namespace", NAMESPACE])?;
    kubectl.apply(NAMESPACE, SERVICES)?;
    // One command a mesh: they have read SMI differently.
    for (from, input) in [("linkerd", LINKERD), ("osm", OSM), ("traefik-mesh", TRAEFIK), ("gateway-api", GATEWAY)] {
        let input = format!("{input}{SERVICES}");
        let output = with_input(cluster.isthmus().args(["migrate", "--from", from, "-f", "-"]), &input)?;
        ensure!(output.status.success(), "{from}: {}", String::from_utf8_lossy(&output.stderr));
        kubectl.apply(NAMESPACE, &String::from_utf8(output.stdout)?).with_context(|| from.to_owned())?;
    }
    for (kind, name) in [
        ("trafficsplit", "linkerd"),
        ("traffictarget", "osm"),
        ("tcproute", "traefik-port-8080"),
        ("traffictarget", "traefik"),
        ("trafficsplit", "gateway"),
        ("httproutegroup", "gateway-matches"),
    ] {
        kubectl.get(NAMESPACE, kind, name).with_context(|| format!("{kind}/{name}"))?;
    }
    let kubeconfig = kubectl.kubeconfig().display().to_string();
    let args = ["export", "gateway-api", "-n", NAMESPACE, "--kubeconfig", &kubeconfig, "-o", "json"];
    let output = cluster.isthmus().args(args).output()?;
    // Targets have no counterpart: 2.
    expect_eq("exit code", output.status.code(), Some(2))?;
    let list: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let Some(routes) = list.pointer("/items").and_then(|items| items.as_array()) else { bail!("no list: {list}") };
    expect_eq("routes", routes.len(), 2)
}

fn with_input(command: &mut Command, input: &str) -> anyhow::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("standard input")?.write_all(input.as_bytes())?;
    Ok(child.wait_with_output()?)
}

const SERVICES: &str = "
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: v2 }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: api }
spec: { ports: [{ name: http, port: 80 }] }
";

const LINKERD: &str = "
apiVersion: split.smi-spec.io/v1alpha1
kind: TrafficSplit
metadata: { name: linkerd }
spec:
  service: web
  backends: [{ service: web, weight: 900m }, { service: v2, weight: 100m }]
";

const OSM: &str = "
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: osm }
spec: { matches: [{ name: buy, pathRegex: '/buy/.*', methods: [GET], headers: [{ client: '.*web.*' }] }] }
---
apiVersion: access.smi-spec.io/v1alpha3
kind: TrafficTarget
metadata: { name: osm }
spec:
  destination: { kind: ServiceAccount, name: store, namespace: migrate }
  rules: [{ kind: HTTPRouteGroup, name: osm, matches: [buy] }]
  sources: [{ kind: ServiceAccount, name: web, namespace: migrate }]
";

const TRAEFIK: &str = "
apiVersion: specs.smi-spec.io/v1alpha3
kind: HTTPRouteGroup
metadata: { name: traefik }
spec: { matches: [{ name: api, pathRegex: 'api|metrics', methods: ['*'] }] }
---
apiVersion: access.smi-spec.io/v1alpha2
kind: TrafficTarget
metadata: { name: traefik }
spec:
  destination: { kind: ServiceAccount, name: api, namespace: migrate, port: 8080 }
  rules: [{ kind: HTTPRouteGroup, name: traefik, matches: [api] }]
  sources: [{ kind: ServiceAccount, name: web, namespace: migrate }]
";

const GATEWAY: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: gateway }
spec:
  parentRefs: [{ group: '', kind: Service, name: api, port: 80 }]
  rules:
  - matches: [{ path: { type: PathPrefix, value: /v2 }, headers: [{ name: beta, value: 'yes' }] }]
    backendRefs: [{ name: v2, port: 80 }]
  - backendRefs: [{ name: api, port: 80 }]
";
