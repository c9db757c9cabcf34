//! A rolling restart of the callees.

use anyhow::bail;
use isthmus_tests::cluster::Cluster;

use crate::stage::Stage;

const RESTARTS: usize = 2;
const REPLICAS: u32 = 2;

pub(crate) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    // A line's connection ends with the callee that serves it.
    let stage = Stage::set(cluster, "load-callees", REPLICAS, 1, &["tcp"])?;
    for _ in 0..RESTARTS {
        stage.kubectl(&["rollout", "restart", "deployment/callee-v1"])?;
        stage.rolled_out("deployment/callee-v1")?;
        stage.go_on()?;
    }
    let hosts = stage.answers("hosts")?;
    if hosts.len() < (RESTARTS + 1) * REPLICAS as usize {
        bail!("of all callees only these answered: {hosts:?}");
    }
    stage.finish().map(drop)
}
