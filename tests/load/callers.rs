//! A rolling restart of the callers: each may call from its first moment to its last, which comes after the signal to end.

use anyhow::bail;
use isthmus_tests::{cluster::Cluster, wait::expect_eq};

use crate::stage::Stage;

const RESTARTS: usize = 1;
const REPLICAS: u32 = 2;

pub(crate) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let stage = Stage::set(cluster, "load-callers", 2, REPLICAS, &[])?;
    for _ in 0..RESTARTS {
        stage.kubectl(&["rollout", "restart", "deployment/caller"])?;
        stage.rolled_out("deployment/caller")?;
        stage.go_on()?;
    }
    let reports = stage.finish()?;
    expect_eq("callers", reports.len(), (RESTARTS + 1) * REPLICAS as usize)?;
    for report in &reports {
        if report.total("after_signal") == 0 {
            bail!("{} made no exchange after the signal to end: its sidecar must outlive it", report.host);
        }
    }
    Ok(())
}
