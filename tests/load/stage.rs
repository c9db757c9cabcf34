//! A namespace with callees and callers, and a load that goes on until the test has seen enough.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use isthmus_tests::{
    cluster::Cluster,
    report::{self, Report},
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::manifest;

/// How long anything may take. Slow machines are slow; only what never comes is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// The same for `kubectl`.
const TIMEOUT: &str = "--timeout=120s";
/// Exchanges of each kind that must succeed before a change, and after it.
const ENOUGH: u64 = 25;
/// What every caller speaks and its rate for a single caller, in exchanges per second.
const LOADS: [(&str, u32, &str); 5] = [
    ("h1", 60, "http://callee"),
    ("h1-new", 30, "http://callee"),
    ("h2", 40, "http://callee"),
    ("tcp", 20, "callee:6380"),
    ("tcp-new", 20, "callee:6380"),
];

/// The callers and callees of one test.
pub(crate) struct Stage<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) namespace: &'static str,
    callers: u32,
    kinds: Vec<&'static str>,
    folder: PathBuf,
    begun: Instant,
}

impl<'a> Stage<'a> {
    /// Policy and callees of version 1, ready, and then the callers; returns when each kind of load runs. `without` is what can't
    /// outlive the change by its nature.
    pub(crate) fn set(
        cluster: &'a Cluster,
        namespace: &'static str,
        callees: u32,
        callers: u32,
        without: &[&str],
    ) -> anyhow::Result<Self> {
        let folder = cluster.state().join("reports").join(namespace);
        fs::create_dir_all(&folder)?;
        let kinds = LOADS.iter().map(|(kind, ..)| *kind).filter(|kind| !without.contains(kind)).collect();
        let stage = Self { cluster, namespace, callers, kinds, folder, begun: Instant::now() };
        cluster.kubectl.run(&["create", "namespace", namespace])?;
        cluster.kubectl.run(&["label", "namespace", namespace, "isthmus.mesh/inject=enabled"])?;
        stage.apply(manifest::POLICY)?;
        stage.apply(&manifest::callees("v1", callees))?;
        stage.rolled_out("deployment/callee-v1")?;
        stage.programmed("traffictarget/load")?;
        stage.programmed("traffictarget/lines")?;
        stage.apply(&manifest::callers(callers, &stage.loads(), &stage.reports_path()?))?;
        stage.rolled_out("deployment/caller")?;
        stage.go_on()?;
        Ok(stage)
    }

    /// The loads of one caller.
    pub(crate) fn loads(&self) -> Vec<String> {
        let mine = LOADS.iter().filter(|(kind, ..)| self.kinds.contains(kind));
        mine.map(|(kind, rate, target)| format!("{kind}:{}:{target}", rate / self.callers)).collect()
    }

    /// Where callers put their reports.
    pub(crate) fn reports_path(&self) -> anyhow::Result<String> {
        Ok(self.folder.to_str().context("the state folder's name isn't UTF-8")?.to_owned())
    }

    pub(crate) fn apply(&self, yaml: &str) -> anyhow::Result<()> {
        self.cluster.kubectl.apply(self.namespace, yaml).map(drop)
    }

    /// `kubectl` in this test's namespace.
    pub(crate) fn kubectl(&self, args: &[&str]) -> anyhow::Result<String> {
        self.cluster.kubectl.run(&[&["-n", self.namespace], args].concat())
    }

    pub(crate) fn rolled_out(&self, deployment: &str) -> anyhow::Result<()> {
        self.kubectl(&["rollout", "status", deployment, TIMEOUT]).map(drop).with_context(|| self.describe())
    }

    /// Waits until every proxy that an object concerns has taken its present generation over.
    pub(crate) fn programmed(&self, object: &str) -> anyhow::Result<()> {
        until(&format!("{object} to be programmed"), PATIENCE, || {
            let (kind, name) = object.split_once('/').context("kind/name")?;
            let live = self.cluster.kubectl.get(self.namespace, kind, name)?;
            let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
            let is_it = |c: &&Value| c.get("type").and_then(Value::as_str) == Some("Programmed");
            let condition = conditions.into_iter().flatten().find(is_it).context("no condition Programmed")?;
            expect_eq("status", condition.get("status").and_then(Value::as_str), Some("True"))?;
            let seen = condition.get("observedGeneration").cloned();
            expect_eq("observedGeneration", seen, live.pointer("/metadata/generation").cloned())
        })
    }

    pub(crate) fn reports(&self) -> anyhow::Result<Vec<Report>> {
        report::read(&self.folder)
    }

    /// Answers by name, `hosts` or `versions`, over all callers.
    pub(crate) fn answers(&self, by: &str) -> anyhow::Result<BTreeMap<String, u64>> {
        let mut sums = BTreeMap::new();
        for (name, number) in self.reports()?.iter().flat_map(|report| report.by(by)) {
            *sums.entry(name).or_default() += number;
        }
        Ok(sums)
    }

    /// Exchanges that have succeeded, over all callers and loads.
    pub(crate) fn succeeded(&self) -> anyhow::Result<u64> {
        Ok(self.reports()?.iter().map(|report| report.total("succeeded")).sum())
    }

    /// Waits until each kind of load has gone on for a while after now.
    pub(crate) fn go_on(&self) -> anyhow::Result<()> {
        let count = |kind: &str| -> anyhow::Result<u64> {
            Ok(self.reports()?.iter().map(|report| report.count(kind, "succeeded")).sum())
        };
        let before = self.kinds.iter().map(|kind| Ok((kind, count(kind)?))).collect::<anyhow::Result<Vec<_>>>()?;
        for (kind, before) in before {
            self.unharmed()?;
            until(&format!("load {kind} to go on"), PATIENCE, || {
                let more = count(kind)?.saturating_sub(before);
                if more < ENOUGH { bail!("{more} more exchanges have succeeded") } else { Ok(()) }
            })
            .with_context(|| self.unharmed().err().map_or_else(|| self.describe(), |error| format!("{error:#}")))?;
        }
        Ok(())
    }

    /// The end: no exchange has failed, in no caller there ever was, and each has told of its whole life.
    pub(crate) fn finish(&self) -> anyhow::Result<Vec<Report>> {
        self.go_on()?;
        self.kubectl(&["delete", "deployment", "caller", "--wait=false"])?;
        let reports = until("the reports of callers that have ended", PATIENCE, || {
            let reports = self.reports()?;
            match reports.iter().find(|report| !report.ended) {
                Some(report) => bail!("{} goes on", report.host),
                None => Ok(reports),
            }
        })?;
        println!("{} ({:.0} s):", self.namespace, self.begun.elapsed().as_secs_f64());
        for report in &reports {
            print!("{report}");
        }
        self.unharmed()?;
        for report in &reports {
            expect_eq(&format!("{}: succeeded of sent", report.host), report.total("succeeded"), report.total("sent"))?;
        }
        Ok(reports)
    }

    /// No exchange has failed so far. Else: the failures, and what the proxies that are still there have logged of them.
    fn unharmed(&self) -> anyhow::Result<()> {
        let reports = self.reports()?;
        let failed: u64 = reports.iter().map(|report| report.total("failed")).sum();
        if failed == 0 {
            return Ok(());
        }
        let mut text = format!("{failed} exchanges failed:\n");
        let logs = self.kubectl(&["logs", "-l", "app", "-c", "isthmus-proxy", "--prefix", "--tail=-1"]);
        let logs = logs.unwrap_or_else(|error| format!("{error:#}"));
        for (id, failure) in reports.iter().flat_map(Report::failures) {
            text += &format!("{failure}\n");
            for line in logs.lines().filter(|line| line.contains(id)) {
                text += &format!("    {line}\n");
            }
        }
        bail!("{text}")
    }

    /// What `kubectl` says of the namespace, for a failure's message.
    fn describe(&self) -> String {
        let look = |args: &[&str]| self.kubectl(args).unwrap_or_else(|error| format!("{error:#}"));
        look(&["get", "pods,events"]) + &look(&["describe", "pods"])
    }
}

impl Drop for Stage<'_> {
    /// The next test's load has the machine for itself.
    fn drop(&mut self) {
        if let Err(error) = self.cluster.kubectl.run(&["delete", "namespace", self.namespace, "--wait=false"]) {
            println!("{error:#}");
        }
    }
}
