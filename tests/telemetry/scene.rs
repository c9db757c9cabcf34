//! The cluster, Prometheus, and the load.

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Context, bail};
use isthmus_tests::{
    cluster::Cluster,
    http,
    kubectl::PortForward,
    prometheus::{targets, with_file_discovery},
    software,
    wait::{expect_eq, until},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::manifest;

const PATIENCE: Duration = Duration::from_secs(90);
pub(crate) const SHOP: &str = "shop";
const MONITORING: &str = "monitoring";
/// Where the controller is to ask.
const URL: &str = "ISTHMUS_PROMETHEUS_URL=http://prometheus.monitoring.svc.cluster.local:9090";

/// What is called, once to begin with: so often; first come those by which each edge begins.
const LOAD: [(&str, &str, u32); 5] = [
    ("flaky", "ok", 30),
    ("flaky", "fail", 10),
    ("flaky", "slow", 20),
    ("steady", "ok", 40),
    // 30 to steady, 10 to flaky.
    ("front", "ok", 40),
];

/// All of it has happened, and Prometheus has seen it.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    prometheus: PortForward,
    _files: TempDir,
}

impl Scene {
    pub(crate) fn set() -> anyhow::Result<Self> {
        let cluster = Cluster::up("telemetry-tests", &[])?;
        let kubectl = &cluster.kubectl;
        let controller = "deployment/isthmus-controller";
        kubectl.run(&["set", "env", "-n", "isthmus-system", controller, URL])?;
        kubectl.run(&["rollout", "status", "-n", "isthmus-system", controller, "--timeout=90s"])?;
        for namespace in [SHOP, MONITORING] {
            kubectl.run(&["create", "namespace", namespace])?;
        }
        kubectl.run(&["label", "namespace", SHOP, "isthmus.mesh/inject=enabled"])?;
        kubectl.run(&["annotate", "namespace", SHOP, "isthmus.mesh/policy-mode=permissive"])?;
        let apps =
            [manifest::CALLER.to_owned(), manifest::server("flaky"), manifest::server("steady"), manifest::split()];
        kubectl.apply(SHOP, &apps.concat())?;
        for app in ["caller", "flaky", "steady"] {
            kubectl.run(&["rollout", "status", "-n", SHOP, &format!("deployment/{app}"), "--timeout=90s"])?;
        }
        kubectl.run(&["wait", "-n", SHOP, "--for=condition=Programmed", "trafficsplit/front", "--timeout=60s"])?;

        let files = tempfile::tempdir()?;
        write_files(&cluster, &files)?;
        let program = software::path("prometheus")?;
        kubectl.apply(MONITORING, &manifest::prometheus(&program, &files.path().display().to_string()))?;
        kubectl.run(&["rollout", "status", "-n", MONITORING, "deployment/prometheus", "--timeout=90s"])?;
        let prometheus = kubectl.port_forward(MONITORING, "deployment/prometheus", 9090)?;
        let scene = Self { cluster, prometheus, _files: files };
        until("all targets up", PATIENCE, || scene.expect("count(up == 1)", 4.0))?;
        scene.load()?;
        Ok(scene)
    }

    /// Each edge begins and is scraped; then comes what rates are of.
    fn load(&self) -> anyhow::Result<()> {
        let caller = self.cluster.kubectl.port_forward(SHOP, "deployment/caller", 8080)?;
        let call = |host: &str, path: &str| -> anyhow::Result<()> {
            let ask = json!({ "url": format!("http://{host}/{path}") }).to_string();
            let answer = http::send(caller.port, http::with_body("POST", "/ask", ask))?;
            let answer: Value = serde_json::from_str(answer.body())?;
            let asked = if path == "fail" { 500 } else { 200 };
            expect_eq(&format!("{host}/{path}: {answer}"), answer.get("status").and_then(Value::as_u64), Some(asked))
        };
        for (host, ..) in LOAD.iter().filter(|(_, path, _)| *path == "ok").take(2) {
            call(host, "ok")?;
        }
        let begun = "count(sum by (destination_workload) (isthmus_inbound_requests_total) == 1)";
        until("the first requests are scraped", PATIENCE, || self.expect(begun, 2.0))?;
        for (host, path, times) in LOAD {
            for _ in 0..times {
                call(host, path)?;
            }
        }
        let all: u32 = LOAD.iter().map(|(.., times)| times).sum();
        let seen = "sum(isthmus_inbound_requests_total{source_workload=\"caller\"})";
        until("all requests are scraped", PATIENCE, || self.expect(seen, f64::from(all + 2)))
    }

    /// The value of an expression that has one.
    pub(crate) fn value(&self, expression: &str) -> anyhow::Result<f64> {
        let request = ::http::Request::post("/api/v1/query")
            .header("host", "localhost")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("query={}", encoded(expression)))?;
        let answer = http::send(self.prometheus.port, request)?;
        let answer: Value = serde_json::from_str(answer.body()).with_context(|| answer.body().clone())?;
        let result = answer
            .pointer("/data/result")
            .and_then(Value::as_array)
            .with_context(|| format!("{expression}: {answer}"))?;
        match &result[..] {
            [one] => {
                let text = one.pointer("/value/1").and_then(Value::as_str).context("no value")?;
                Ok(text.parse()?)
            }
            other => bail!("{expression}: {} values: {other:?}", other.len()),
        }
    }

    /// An expression whose value is exactly this.
    pub(crate) fn expect(&self, expression: &str, asked: f64) -> anyhow::Result<()> {
        self.expect_about(expression, asked, 1e-9 * asked.abs().max(1.0))
    }

    /// The same of what `rate` has made: it extrapolates each series for itself, by a fraction of a scrape's interval.
    pub(crate) fn expect_about(&self, expression: &str, asked: f64, off: f64) -> anyhow::Result<()> {
        let seen = self.value(expression)?;
        let near = (seen - asked).abs() <= off;
        if !near {
            bail!("{expression}: asked for {asked}, saw {seen}");
        }
        Ok(())
    }
}

/// Configuration, rules and targets, as the program prints them, but scraped each second.
fn write_files(cluster: &Cluster, files: &TempDir) -> anyhow::Result<()> {
    let print = |what: &str| -> anyhow::Result<String> {
        let output = cluster.isthmus().args(["monitoring", what]).output()?;
        Ok(String::from_utf8(output.stdout)?)
    };
    let file = |name: &str| files.path().join(name);
    let pods: Value = serde_json::from_str(&cluster.kubectl.run(&["get", "pods", "-A", "-o", "json"])?)?;
    fs::write(file("targets.json"), targets(&pods).to_string())?;
    for (name, what) in [("rules.yml", "rules"), ("alerts.yml", "alerts")] {
        fs::write(file(name), print(what)?)?;
    }
    let scrape = with_file_discovery(&print("scrape-config")?, &file("targets.json").display().to_string());
    let config = format!(
        "global: {{ evaluation_interval: 2s }}\nrule_files: [rules.yml, alerts.yml]\n{}",
        scrape.replace("scrape_interval: 15s", "scrape_interval: 1s\n    scrape_timeout: 1s")
    );
    Ok(fs::write(file("prometheus.yml"), config)?)
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// What differs between two texts, for a failure's message.
pub(crate) fn difference(a: &str, b: &str) -> String {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (a, b) = (lines(a), lines(b));
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>().join("\n");
    format!("only here:\n{}\nonly there:\n{}", only(&a, &b), only(&b, &a))
}
