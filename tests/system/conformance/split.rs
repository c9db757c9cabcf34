//! `traffic-split`, 11 steps (smi.md §2.5). Upstream contradicts itself under deny by default (§2.7.5): as it
//! recommends, the pods' ServiceAccount is granted everything first.

use isthmus_tests::cluster::Cluster;

use super::{crd, expect, step};
use crate::apps::Case;

const CALLS: usize = 50;

const OPEN: &str = "
apiVersion: v1
kind: Service
metadata: { name: app-svc }
spec:
  type: NodePort
  selector: { app: app }
  ports: [{ name: http, port: 9091, targetPort: 9091 }]
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: { name: anything }
spec: { matches: { ports: [] } }
---
apiVersion: access.smi-spec.io/v1alpha3
kind: TrafficTarget
metadata: { name: everybody }
spec:
  destination: { kind: ServiceAccount, name: default }
  rules: [{ kind: TCPRoute, name: anything }]
  sources: [{ kind: ServiceAccount, name: default }]
";

pub(super) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    step(1, "crd", crd(cluster, "trafficsplits.split.smi-spec.io", "ts"))?;
    let case = step(2, "install", Case::install(cluster, "conformance-split", false))?;
    step(2, "open", case.apply(OPEN, &["traffictarget/everybody"]))?;
    step(3, "trafficDefault", seen(&case, "both", |b, c| b > 0 && c > 0))?;
    step(4, "apply", weights(&case, 1, 0))?;
    step(5, "trafficOnlyB", seen(&case, "50/0", |b, c| (b, c) == (CALLS, 0)))?;
    step(6, "apply", weights(&case, 0, 1))?;
    step(7, "trafficOnlyC", seen(&case, "0/50", |b, c| (b, c) == (0, CALLS)))?;
    step(8, "apply", weights(&case, 75, 25))?;
    step(9, "trafficBGrtC", seen(&case, "b > c", |b, c| b > c))?;
    step(10, "apply", weights(&case, 25, 75))?;
    step(11, "trafficCGrtB", seen(&case, "c > b", |b, c| c > b))
}

fn weights(case: &Case<'_>, b: u32, c: u32) -> anyhow::Result<()> {
    let yaml = format!(
        "
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: {{ name: server-split }}
spec:
  service: app-svc
  backends: [{{ service: app-b, weight: {b} }}, {{ service: app-c, weight: {c} }}]
"
    );
    case.apply(&yaml, &["trafficsplit/server-split"])
}

/// 50 calls of app-a to `app-svc`; how many reached b and c.
fn seen(case: &Case<'_>, asked: &str, holds: impl Fn(usize, usize) -> bool) -> anyhow::Result<()> {
    case.clear()?;
    let url = case.url("app-svc", "/echo");
    for _ in 0..CALLS {
        case.call(&url, "GET")?;
    }
    let (b, c) = (Case::received(&case.b)?.len(), Case::received(&case.c)?.len());
    expect(&format!("asked for {asked}, saw {b}/{c}; all {CALLS} must arrive"), holds(b, c) && b + c == CALLS)
}
