//! `traffic-spec`, 6 steps (smi.md §2.4).

use isthmus_tests::{cluster::Cluster, wait::expect_eq};

use super::{crd, step};
use crate::apps::Case;

fn policy(path: &str, methods: &str) -> String {
    format!(
        "
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: {{ name: http-rg }}
spec: {{ matches: [{{ name: testMatch, pathRegex: \"{path}\", methods: [{methods}] }}] }}
---
apiVersion: access.smi-spec.io/v1alpha3
kind: TrafficTarget
metadata: {{ name: service-targets }}
spec:
  destination: {{ kind: ServiceAccount, name: service-b, namespace: conformance-spec }}
  rules: [{{ kind: HTTPRouteGroup, name: http-rg, matches: [testMatch] }}]
  sources: [{{ kind: ServiceAccount, name: service-a, namespace: conformance-spec }}]
"
    )
}

const OBJECTS: [&str; 2] = ["httproutegroup/http-rg", "traffictarget/service-targets"];

pub(super) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    step(1, "crd", crd(cluster, "httproutegroups.specs.smi-spec.io", "htr"))?;
    let case = step(2, "install", Case::install(cluster, "conformance-spec", true))?;
    step(3, "apply", case.apply(&policy("/metrics", "\"*\""), &OBJECTS))?;
    step(4, "trafficPath", by_path(&case))?;
    step(5, "apply", case.apply(&policy(".*", "GET"), &OBJECTS))?;
    step(6, "trafficMethod", by_method(&case))
}

fn by_path(case: &Case<'_>) -> anyhow::Result<()> {
    let (metrics, echo) = (case.url("app-b", "/metrics"), case.url("app-b", "/echo"));
    case.clear()?;
    case.call(&metrics, "GET")?;
    case.call(&echo, "GET")?;
    let asked = (vec![format!("GET {metrics}")], vec![format!("GET {echo}")]);
    expect_eq("app-a's calls (succeeded, failed)", case.outcome()?, asked)
}

fn by_method(case: &Case<'_>) -> anyhow::Result<()> {
    let echo = case.url("app-b", "/echo");
    case.clear()?;
    case.call(&echo, "GET")?;
    case.call(&echo, "POST")?;
    let asked = (vec![format!("GET {echo}")], vec![format!("POST {echo}")]);
    expect_eq("app-a's calls (succeeded, failed)", case.outcome()?, asked)
}
