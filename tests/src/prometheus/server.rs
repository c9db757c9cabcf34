//! A Prometheus that runs in a cluster.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use serde_json::Value;
use tempfile::TempDir;

use super::{targets, with_file_discovery};
use crate::{
    http,
    kubectl::{Kubectl, PortForward},
    software,
};

const NAMESPACE: &str = "monitoring";
/// By what the controller knows it.
const VARIABLE: &str = "ISTHMUS_PROMETHEUS_URL";
/// Where the cluster's pods find it.
const URL: &str = "http://prometheus.monitoring.svc.cluster.local:9090";

/// Prometheus with the configuration and the rules that `isthmus monitoring` prints, but that it looks each second.
#[derive(Debug)]
pub struct Server {
    forward: PortForward,
    _files: TempDir,
}

impl Server {
    /// Starts one that scrapes the pods that there are now.
    pub fn start(kubectl: &Kubectl, isthmus: impl Fn() -> Command) -> anyhow::Result<Self> {
        let files = tempfile::tempdir()?;
        write_files(kubectl, isthmus, files.path())?;
        kubectl.run(&["create", "namespace", NAMESPACE])?;
        let program = software::path("prometheus")?;
        kubectl.apply(NAMESPACE, &manifest(&program, &files.path().display().to_string()))?;
        kubectl.run(&["rollout", "status", "-n", NAMESPACE, "deployment/prometheus", "--timeout=90s"])?;
        let forward = kubectl.port_forward(NAMESPACE, "deployment/prometheus", 9090)?;
        Ok(Self { forward, _files: files })
    }

    /// Has a cluster's controller ask one that will be started there.
    pub fn asked_by_the_controller(kubectl: &Kubectl) -> anyhow::Result<()> {
        restarted_with(kubectl, &format!("{VARIABLE}={URL}"))
    }

    /// And no more.
    pub fn no_longer_asked(kubectl: &Kubectl) -> anyhow::Result<()> {
        restarted_with(kubectl, &format!("{VARIABLE}-"))
    }

    /// The value of an expression that has one.
    pub fn value(&self, expression: &str) -> anyhow::Result<f64> {
        let request = ::http::Request::post("/api/v1/query")
            .header("host", "localhost")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("query={}", encoded(expression)))?;
        let answer = http::send(self.forward.port, request)?;
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
    pub fn expect(&self, expression: &str, asked: f64) -> anyhow::Result<()> {
        self.expect_about(expression, asked, 1e-9 * asked.abs().max(1.0))
    }

    /// The same of what `rate` has made: it extrapolates each series for itself, by a fraction of a scrape's interval.
    pub fn expect_about(&self, expression: &str, asked: f64, off: f64) -> anyhow::Result<()> {
        let seen = self.value(expression)?;
        let near = (seen - asked).abs() <= off;
        if !near {
            bail!("{expression}: asked for {asked}, saw {seen}");
        }
        Ok(())
    }
}

fn restarted_with(kubectl: &Kubectl, env: &str) -> anyhow::Result<()> {
    let controller = "deployment/isthmus-controller";
    kubectl.run(&["set", "env", "-n", "isthmus-system", controller, env])?;
    kubectl.run(&["rollout", "status", "-n", "isthmus-system", controller, "--timeout=90s"]).map(drop)
}

fn write_files(kubectl: &Kubectl, isthmus: impl Fn() -> Command, folder: &Path) -> anyhow::Result<()> {
    let print = |what: &str| -> anyhow::Result<String> {
        let output = isthmus().args(["monitoring", what]).stderr(Stdio::inherit()).output()?;
        Ok(String::from_utf8(output.stdout)?)
    };
    let file = |name: &str| folder.join(name);
    let pods: Value = serde_json::from_str(&kubectl.run(&["get", "pods", "-A", "-o", "json"])?)?;
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

fn manifest(program: &str, folder: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{ name: prometheus }}
spec: {{ selector: {{ app: prometheus }}, ports: [{{ port: 9090 }}] }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: prometheus }}
spec:
  selector: {{ matchLabels: {{ app: prometheus }} }}
  template:
    metadata: {{ labels: {{ app: prometheus }} }}
    spec:
      containers:
        - name: prometheus
          image: local/{program}
          args: [--config.file={folder}/prometheus.yml, --storage.tsdb.path={folder}/data, '--web.listen-address=:9090']
          readinessProbe: {{ httpGet: {{ path: /-/ready, port: 9090 }}, periodSeconds: 1 }}
"
    )
}
