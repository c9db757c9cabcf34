//! Flagger: it takes a running Service over, shifts weights step by step, promotes by a rolling update of the primary, and rolls back. Nobody's
//! request may fail, and a version that was replaced or taken back gets none.

use anyhow::{Context, bail};
use isthmus_tests::{cluster::Cluster, wait::expect_eq};
use serde_json::{Value, json};

use crate::{
    clients::{Server, VERSIONS, answers_of, backends, reads_back, set, split},
    stage::Stage,
};

/// The Deployment that the Canary names, and what Flagger makes of it.
const TARGET: &str = "callee-v1";
const PRIMARY: &str = "callee-v1-primary";
const APEX: &str = "callee";
const WEIGHTS: [u64; 2] = [25, 50];

pub(crate) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let stage = Stage::set(cluster, "load-flagger", 1, 1, &["tcp", "tcp-new"])?;
    let server = Server::of(cluster, stage.namespace)?;
    initialise(&stage, &server)?;
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let (old, new) = (format!("v{}", number + 1), format!("v{}", number + 2));
        let by = Provider { stage: &stage, server: &server, version };
        by.begin(&new)?;
        by.shift(&new)?;
        by.promote(&old, &new)?;
    }
    // The next one is no good.
    let by = Provider { stage: &stage, server: &server, version: "v1alpha2" };
    by.begin("v9")?;
    by.shift("v9")?;
    by.roll_back("v9")?;
    // The Canary is deleted, and the garbage collector deletes what it owned: the apex has its own endpoints again.
    server.delete_split("v1alpha2", APEX)?;
    stage.go_on()?;
    stage.finish().map(drop)
}

/// Services and primary beside what there was, and then the apex goes over to the primary.
fn initialise(stage: &Stage<'_>, server: &Server) -> anyhow::Result<()> {
    let select = |label: &str, service: &mut Value| {
        let ports = json!([{ "name": "http", "port": 80, "targetPort": "http" }]);
        set(service, &["spec"], json!({ "selector": { "app": label }, "ports": ports }));
    };
    server.write("services", "callee-canary", |service| select("callee", service))?;
    server.write("services", "callee-primary", |service| select("callee-primary", service))?;
    let target = stage.cluster.kubectl.get(stage.namespace, "deployment", TARGET)?;
    server.write("deployments", PRIMARY, |primary| {
        let labels = json!({ "app": "callee-primary" });
        set(primary, &["spec"], target.get("spec").cloned().unwrap_or_default());
        set(primary, &["spec", "selector"], json!({ "matchLabels": labels }));
        set(primary, &["spec", "template", "metadata", "labels"], labels);
    })?;
    stage.rolled_out(&format!("deployment/{PRIMARY}"))?;
    server.write("services", APEX, |apex| set(apex, &["spec", "selector"], json!({ "app": "callee-primary" })))?;
    server.scale(TARGET, 0)?;
    let [version, ..] = VERSIONS;
    expect_eq("split", server.split(version, APEX)?, None)?;
    let backends = weights(version, 0);
    let made = split(APEX, ("flagger.app/v1beta1", "Canary"), APEX, backends.clone());
    server.create_split(version, &made)?;
    reads_back(server, version, APEX, &backends)?;
    stage.programmed("trafficsplit/callee")
}

/// Gives a Deployment's pods another version.
fn renew(deployment: &mut Value, version: &str) {
    if let Some(container) = deployment.pointer_mut("/spec/template/spec/containers/0") {
        set(container, &["args"], json!(["echo", "--version", version]));
    }
}

fn weights(version: &str, canary: u64) -> Value {
    backends(version, &[("callee-canary", canary), ("callee-primary", 100 - canary)])
}

/// Of one canary, by one version.
struct Provider<'a> {
    stage: &'a Stage<'a>,
    server: &'a Server,
    version: &'static str,
}

impl Provider<'_> {
    /// Reads the split and writes it back whole.
    fn weigh(&self, canary: u64) -> anyhow::Result<()> {
        let mut split = self.server.split(self.version, APEX)?.context("no split")?;
        let routes = split.pointer("/spec/backends").and_then(Value::as_array).context("no backends")?;
        expect_eq("backends, by name", routes.len(), 2)?;
        let backends = weights(self.version, canary);
        set(&mut split, &["spec", "backends"], backends.clone());
        self.server.put_split(self.version, split)?;
        reads_back(self.server, self.version, APEX, &backends)?;
        self.stage.programmed("trafficsplit/callee")
    }

    /// The user writes a new version into the target, and the canary gets pods.
    fn begin(&self, new: &str) -> anyhow::Result<()> {
        self.server.write("deployments", TARGET, |target| renew(target, new))?;
        self.server.scale(TARGET, 1)?;
        self.stage.rolled_out(&format!("deployment/{TARGET}"))
    }

    fn shift(&self, new: &str) -> anyhow::Result<()> {
        for canary in WEIGHTS {
            self.weigh(canary)?;
            if answers_of(self.stage, new)? == 0 {
                bail!("{}: {new} has answered nothing at {canary}%", self.version);
            }
        }
        Ok(())
    }

    /// The primary becomes the canary's version, then gets everything, and the canary's pods go.
    fn promote(&self, old: &str, new: &str) -> anyhow::Result<()> {
        self.server.write("deployments", PRIMARY, |primary| renew(primary, new))?;
        self.stage.rolled_out(&format!("deployment/{PRIMARY}"))?;
        self.weigh(0)?;
        self.server.scale(TARGET, 0)?;
        answers_of(self.stage, old)?;
        let before = answers_of(self.stage, old)?;
        expect_eq(
            &format!("{}: answers of {old}, which was replaced", self.version),
            answers_of(self.stage, old)?,
            before,
        )
    }

    fn roll_back(&self, bad: &str) -> anyhow::Result<()> {
        self.weigh(0)?;
        self.server.scale(TARGET, 0)?;
        answers_of(self.stage, bad)?;
        let before = answers_of(self.stage, bad)?;
        expect_eq(&format!("answers of {bad}, which was taken back"), answers_of(self.stage, bad)?, before)
    }
}
