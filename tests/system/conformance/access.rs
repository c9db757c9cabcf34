//! `traffic-access`, 7 steps (smi.md §2.3).

use isthmus_tests::{cluster::Cluster, wait::expect_eq};

use super::{crd, step};
use crate::apps::Case;

const POLICY: &str = "
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: { name: service-tcp-route }
spec: { matches: { ports: [] } }
---
apiVersion: access.smi-spec.io/v1alpha3
kind: TrafficTarget
metadata: { name: service-targets }
spec:
  destination: { kind: ServiceAccount, name: service-b, namespace: conformance-access }
  rules: [{ kind: TCPRoute, name: service-tcp-route }]
  sources: [{ kind: ServiceAccount, name: service-a, namespace: conformance-access }]
";

pub(super) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    step(1, "crd", crd(cluster, "traffictargets.access.smi-spec.io", "tt"))?;
    let case = step(2, "install", Case::install(cluster, "conformance-access", true))?;
    step(3, "trafficDefault", blocked(&case))?;
    step(4, "apply", case.apply(POLICY, &["traffictarget/service-targets"]))?;
    step(5, "trafficAllowed", allowed(&case))?;
    step(6, "delete", delete(&case))?;
    step(7, "trafficBlocked", until_blocked(&case))
}

fn blocked(case: &Case<'_>) -> anyhow::Result<()> {
    let url = case.url("app-b", "/echo");
    case.clear()?;
    case.call(&url, "GET")?;
    expect_eq("app-a's calls (succeeded, failed)", case.outcome()?, (vec![], vec![format!("GET {url}")]))
}

fn allowed(case: &Case<'_>) -> anyhow::Result<()> {
    let url = case.url("app-b", "/echo");
    case.clear()?;
    case.call(&url, "GET")?;
    expect_eq("app-a's calls (succeeded, failed)", case.outcome()?, (vec![format!("GET {url}")], vec![]))?;
    expect_eq("who called app-b", Case::received(&case.b)?, vec!["app-a".to_owned()])
}

fn delete(case: &Case<'_>) -> anyhow::Result<()> {
    let objects = ["traffictarget/service-targets", "tcproute/service-tcp-route"];
    case.cluster.kubectl.run(&["delete", "-n", case.namespace, objects[0], objects[1]])?;
    for object in objects {
        let left = case.cluster.kubectl.try_run(&["get", "-n", case.namespace, object], None)?;
        expect_eq(object, left.stderr.contains("NotFound"), true)?;
    }
    Ok(())
}

/// A deleted object has no status that could say when its end is in effect: ask until it is.
fn until_blocked(case: &Case<'_>) -> anyhow::Result<()> {
    isthmus_tests::wait::until("the grant's end", crate::apps::PATIENCE, || blocked(case))
}
