//! Which CPU runs what. Waking a thread of another CPU costs a virtual machine as much as telemetry costs, and how often it
//! happens is chance. So the sidecars share one CPU, that both of a slice have the same share of, and all else has the rest.

use std::fs;

use anyhow::Context;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// The CPUs of this benchmark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cpus {
    sidecars: CpuSet,
    rest: CpuSet,
}

impl Cpus {
    /// Those that this process may use: one for the sidecars. None where there is only one.
    pub(super) fn of_this_process() -> anyhow::Result<Option<Self>> {
        let all = sched_getaffinity(Pid::from_raw(0)).context("can't tell this process's CPUs")?;
        let mut cpus = (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu).unwrap_or_default());
        let (mut sidecars, mut rest) = (CpuSet::new(), all);
        let first = cpus.next().context("no CPU to run on")?;
        sidecars.set(first)?;
        rest.unset(first)?;
        Ok(cpus.next().map(|_| Self { sidecars, rest }))
    }

    /// Puts every thread where it belongs, those of this process and those of the sidecars.
    pub(super) fn pin(&self, sidecars: impl IntoIterator<Item = u32>) -> anyhow::Result<()> {
        pin(std::process::id(), &self.rest)?;
        sidecars.into_iter().try_for_each(|pid| pin(pid, &self.sidecars))
    }
}

fn pin(pid: u32, cpus: &CpuSet) -> anyhow::Result<()> {
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let id = thread?.file_name().to_str().and_then(|id| id.parse().ok()).context("a thread without a number")?;
        sched_setaffinity(Pid::from_raw(id), cpus).with_context(|| format!("can't pin thread {id}"))?;
    }
    Ok(())
}
