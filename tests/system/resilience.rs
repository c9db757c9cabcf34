//! Faults of users and of the control plane leave running traffic alone.

use anyhow::{Context, bail};
use isthmus_tests::{cluster::Cluster, wait::until};
use serde_json::Value;

use crate::apps::{Case, PATIENCE, describe};

/// This file's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![
        ("a_faulty_object_changes_nothing_for_good_ones_and_shows_its_fault", faulty_object as super::Body),
        ("a_killed_controller_leaves_running_traffic_unharmed", killed_controller),
    ]
}

fn open(namespace: &str) -> String {
    format!(
        "
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: {{ name: echo }}
spec: {{ matches: [{{ name: echo, pathRegex: /echo, methods: [GET] }}] }}
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: {{ name: a-to-b }}
spec:
  destination: {{ kind: ServiceAccount, name: service-b, namespace: {namespace} }}
  sources: [{{ kind: ServiceAccount, name: service-a, namespace: {namespace} }}]
  rules: [{{ kind: HTTPRouteGroup, name: echo, matches: [echo] }}]
"
    )
}

fn installed<'a>(cluster: &'a Cluster, namespace: &'static str) -> anyhow::Result<Case<'a>> {
    let case = Case::install(cluster, namespace, true)?;
    case.apply(&open(namespace), &["traffictarget/a-to-b"])?;
    Ok(case)
}

/// `count` calls of app-a to app-b must all succeed.
fn all_succeed(case: &Case<'_>, count: usize) -> anyhow::Result<()> {
    case.clear()?;
    for _ in 0..count {
        case.call(&case.url("app-b", "/echo"), "GET")?;
    }
    let (succeeded, failed) = case.outcome()?;
    if succeeded.len() != count || !failed.is_empty() {
        bail!(
            "of {count} calls {} succeeded, {} failed\n{}",
            succeeded.len(),
            failed.len(),
            describe(case.cluster, case.namespace)
        );
    }
    Ok(())
}

/// Objects that reach the API server and can't be used: a route that isn't there, a backend that isn't there.
fn faulty_object(cluster: &Cluster) -> anyhow::Result<()> {
    let case = installed(cluster, "resilience-faulty")?;
    all_succeed(&case, 5)?;
    let faulty = "
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: faulty }
spec:
  destination: { kind: ServiceAccount, name: service-b, namespace: resilience-faulty }
  sources: [{ kind: ServiceAccount, name: service-c, namespace: resilience-faulty }]
  rules: [{ kind: HTTPRouteGroup, name: nowhere }]
---
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: faulty }
spec:
  service: app-c
  backends: [{ service: app-b, weight: 1 }, { service: nowhere, weight: 1 }]
";
    cluster.kubectl.apply(case.namespace, faulty)?;
    for (object, reason) in [("traffictarget/faulty", "RouteNotFound"), ("trafficsplit/faulty", "BackendNotFound")] {
        until(&format!("{reason} in kubectl describe {object}"), PATIENCE, || {
            let text = cluster.kubectl.run(&["describe", "-n", case.namespace, object])?;
            let events = text.split("Events:").nth(1).unwrap_or_default();
            if events.contains(reason) { Ok(()) } else { bail!("{text}") }
        })?;
    }
    all_succeed(&case, 5)
}

fn killed_controller(cluster: &Cluster) -> anyhow::Result<()> {
    let case = installed(cluster, "resilience-controller")?;
    all_succeed(&case, 5)?;
    let kubectl = &cluster.kubectl;
    let pod = "jsonpath={.items[0].metadata.name}";
    let select = ["get", "pods", "-n", "isthmus-system", "-l", "app.kubernetes.io/name=isthmus-controller", "-o", pod];
    let before = kubectl.run(&select)?;
    kubectl.run(&["delete", "pod", "-n", "isthmus-system", &before, "--grace-period=0", "--force"])?;
    all_succeed(&case, 30)?;
    until("a controller in the killed one's place", PATIENCE, || {
        let wait = ["rollout", "status", "-n", "isthmus-system", "deployment/isthmus-controller", "--timeout=30s"];
        kubectl.run(&wait)?;
        let now = kubectl.run(&select)?;
        if now == before { bail!("{now} is still there") } else { Ok(()) }
    })?;
    all_succeed(&case, 5)?;
    // The new controller is in charge: a change takes effect.
    kubectl.run(&["delete", "-n", case.namespace, "traffictarget/a-to-b"])?;
    until("the revoked grant's end", PATIENCE, || {
        case.clear()?;
        case.call(&case.url("app-b", "/echo"), "GET")?;
        let (_, failed) = case.outcome()?;
        if failed.len() == 1 { Ok(()) } else { bail!("the call still succeeds") }
    })?;
    let leases: Value = kubectl.get("isthmus-system", "lease", "isthmus-controller")?;
    leases.pointer("/spec/holderIdentity").context("the Lease has no holder").map(drop)
}
