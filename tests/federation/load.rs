//! Steady load by a pod of east, each answer checked, and what came of it while something happened.

use std::{fs, path::PathBuf, time::Instant};

use anyhow::{Context, bail};
use isthmus_tests::{
    meshes::Mesh,
    report::{self, Report},
    wait::until,
};

use crate::{
    manifest,
    scene::{NAMESPACE, PATIENCE, Scene, describe, rolled_out},
};

/// Exchanges of each kind that must succeed before a change, and after it.
const ENOUGH: u64 = 20;
/// What is spoken, and the rate in exchanges per second.
const LOADS: [(&str, u32, &str); 4] =
    [("h1", 20, "http"), ("h1-new", 5, "http"), ("h2", 10, "http"), ("tcp-new", 5, "lines")];

/// A caller in east that never rests.
pub(crate) struct Load<'a> {
    mesh: &'a Mesh,
    name: &'static str,
    kinds: Vec<&'static str>,
    folder: PathBuf,
}

/// Exchanges so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
}

impl<'a> Load<'a> {
    /// The Deployment `name` loads a Service of its namespace; returns when every kind of load succeeds.
    pub(crate) fn on(scene: &'a Scene, name: &'static str, service: &str) -> anyhow::Result<Self> {
        Self::without(scene, name, service, &[])
    }

    /// The same `without` what can't outlive the change by its nature.
    pub(crate) fn without(
        scene: &'a Scene,
        name: &'static str,
        service: &str,
        without: &[&str],
    ) -> anyhow::Result<Self> {
        let mesh = &scene.meshes.east;
        let folder = scene.meshes.state().join("reports").join(name);
        fs::create_dir_all(&folder)?;
        let mine = || LOADS.iter().filter(|(mode, ..)| !without.contains(mode));
        let load = Self { mesh, name, kinds: mine().map(|(mode, ..)| *mode).collect(), folder };
        let target = |kind: &str| if kind == "http" { format!("http://{service}") } else { format!("{service}:6380") };
        let loads: Vec<_> = mine().map(|(mode, rate, kind)| format!("{mode}:{rate}:{}", target(kind))).collect();
        let reports = load.folder.to_str().context("the state folder's name isn't UTF-8")?;
        mesh.kubectl.apply(NAMESPACE, &manifest::caller(name, &loads.join(","), reports))?;
        rolled_out(mesh, &format!("deployment/{name}"))?;
        load.go_on()?;
        Ok(load)
    }

    pub(crate) fn reports(&self) -> anyhow::Result<Vec<Report>> {
        report::read(&self.folder)
    }

    pub(crate) fn count(&self) -> anyhow::Result<Count> {
        let reports = self.reports()?;
        let sum = |what: &str| reports.iter().map(|report| report.total(what)).sum();
        Ok(Count { succeeded: sum("succeeded"), failed: sum("failed") })
    }

    /// Answers of one pod so far.
    pub(crate) fn answers_of(&self, pod: &str) -> anyhow::Result<u64> {
        Ok(self.reports()?.iter().filter_map(|report| report.by("hosts").get(pod).copied()).sum())
    }

    /// How long the slowest exchange of each kind took.
    pub(crate) fn slowest(&self) -> anyhow::Result<String> {
        let reports = self.reports()?;
        let slowest = |kind: &str| reports.iter().map(|report| report.count(kind, "slowest_ms")).max().unwrap_or(0);
        let all: Vec<_> = self.kinds.iter().map(|kind| format!("{kind} {} ms", slowest(kind))).collect();
        Ok(format!("slowest: {}", all.join(", ")))
    }

    /// Ends it.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        let gone = ["delete", "deployment", "-n", NAMESPACE, self.name, "--wait=false"];
        self.mesh.kubectl.run(&gone).map(drop)
    }

    /// Waits until each kind of load has succeeded for a while after now, whatever failed.
    pub(crate) fn go_on(&self) -> anyhow::Result<()> {
        let count = |kind: &str| -> anyhow::Result<u64> {
            Ok(self.reports()?.iter().map(|report| report.count(kind, "succeeded")).sum())
        };
        let before = self.kinds.iter().map(|kind| Ok((kind, count(kind)?))).collect::<anyhow::Result<Vec<_>>>()?;
        for (kind, before) in before {
            until(&format!("load {kind} of {} to go on", self.name), PATIENCE, || {
                let more = count(kind)?.saturating_sub(before);
                if more < ENOUGH { bail!("{more} more exchanges have succeeded") } else { Ok(()) }
            })
            .with_context(|| self.failures())?;
        }
        Ok(())
    }

    /// Not one exchange may fail while this happens, nor in the while after it that shows that all kinds go on.
    pub(crate) fn unharmed<T>(&self, what: &str, happens: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.go_on()?;
        let (begun, before) = (Instant::now(), self.count()?);
        let done = happens().with_context(|| format!("while {what}"))?;
        self.go_on()?;
        let after = self.count()?;
        let (sent, failed) = (after.succeeded - before.succeeded, after.failed - before.failed);
        println!("    {what}: {sent} exchanges succeeded, {failed} failed, in {:.1} s", begun.elapsed().as_secs_f64());
        if failed > 0 {
            bail!("{failed} exchanges failed while {what}:\n{}", self.failures());
        }
        Ok(done)
    }

    /// The failures that were kept, and what the caller's own proxy has logged of them.
    pub(crate) fn failures(&self) -> String {
        let reports = self.reports().unwrap_or_default();
        let select = format!("app={}", self.name);
        let logs = ["logs", "-n", NAMESPACE, "-l", &select, "-c", "isthmus-proxy", "--tail=20"];
        let logs = self.mesh.kubectl.run(&logs).unwrap_or_else(|error| format!("{error:#}"));
        let failures: String = reports.iter().flat_map(Report::failures).map(|(_, why)| format!("{why}\n")).collect();
        if reports.is_empty() { describe(self.mesh) } else { format!("{failures}the caller's proxy says:\n{logs}") }
    }
}
