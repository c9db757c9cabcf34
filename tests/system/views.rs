//! Live views: `kubectl traffic`, as the real kubectl starts it, on figures that are known.

use std::{
    env,
    io::Read,
    process::{Child, Output, Stdio},
};

use anyhow::{Context, bail};
use isthmus_tests::{
    cluster::Cluster,
    wait::{expect_eq, until},
};
use serde_json::Value;

use crate::apps::{Case, PATIENCE};

const NAMESPACE: &str = "live-views";
const TAPPED: &str = "live-taps";
const REQUESTS: usize = 40;

/// This file's tests.
pub(crate) fn tests() -> Vec<(&'static str, super::Body)> {
    vec![
        ("kubectl_traffic_shows_what_was_sent", shown as super::Body),
        ("a_tap_shows_requests_as_they_end_to_whom_may", tapped),
    ]
}

const SPLIT: &str = "
apiVersion: v1
kind: Service
metadata: { name: app-svc }
spec:
  selector: { app: app }
  ports: [{ name: http, port: 9091, targetPort: 9091 }]
---
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: three-of-four }
spec:
  service: app-svc
  backends:
    - { service: app-b, weight: 75 }
    - { service: app-c, weight: 25 }
";

/// The plugin, installed in a folder of its own.
struct Plugin<'a> {
    cluster: &'a Cluster,
    path: String,
}

impl<'a> Plugin<'a> {
    fn install(cluster: &'a Cluster) -> anyhow::Result<Self> {
        let dir = cluster.state().join("plugin");
        let installed = cluster.isthmus().args(["plugin", "install", "--dir"]).arg(&dir).output()?;
        ok(&installed)?;
        let path = format!("{}:{}", dir.display(), env::var("PATH").unwrap_or_default());
        Ok(Self { cluster, path })
    }

    fn kubectl(&self, args: &[&str]) -> anyhow::Result<Output> {
        let mut command = self.cluster.kubectl.command(args);
        command.env("PATH", &self.path).output().context("can't start kubectl")
    }

    fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        ok(&self.kubectl(args)?)
    }

    fn json(&self, args: &[&str]) -> anyhow::Result<Value> {
        let all = [&["traffic"], args, &["-n", NAMESPACE, "--window", "5m", "-o", "json"]].concat();
        Ok(serde_json::from_str(&self.run(&all)?)?)
    }
}

fn ok(output: &Output) -> anyhow::Result<String> {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{}:\n{out}{err}", output.status);
    }
    Ok(out.into_owned())
}

/// A tap that goes on beside the test.
struct Tap(Child);

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Tap {
    fn start(plugin: &Plugin<'_>, args: &[&str]) -> anyhow::Result<Self> {
        let mut command = plugin.cluster.kubectl.command(&[&["traffic", "tap"], args].concat());
        command.env("PATH", &plugin.path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Self(command.spawn().context("can't start kubectl")?))
    }

    /// What it has shown, once it has ended by itself.
    fn end(mut self) -> anyhow::Result<String> {
        let (mut text, mut said) = (String::new(), String::new());
        self.0.stdout.take().context("no stdout")?.read_to_string(&mut text)?;
        self.0.stderr.take().context("no stderr")?.read_to_string(&mut said)?;
        let status = self.0.wait()?;
        if !status.success() {
            bail!("{status}:\n{text}{said}");
        }
        Ok(text)
    }
}

/// Of each row, two of its fields.
fn fields(page: &Value, rows: &str, name: &str, value: &str) -> Vec<(String, f64)> {
    let rows = page.get(rows).and_then(Value::as_array).into_iter().flatten();
    let field = |row: &Value| Some((row.pointer(name)?.as_str()?.to_owned(), row.pointer(value)?.as_f64()?));
    // Strangers have no name: whoever looks whether a pod is ready, and these tests.
    rows.filter_map(field).filter(|(name, _)| !name.is_empty()).collect()
}

fn owned(rows: &[(&str, f64)]) -> Vec<(String, f64)> {
    rows.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn shown(cluster: &Cluster) -> anyhow::Result<()> {
    let plugin = Plugin::install(cluster)?;
    let case = Case::install(cluster, NAMESPACE, false)?;
    cluster.kubectl.run(&["annotate", "namespace", NAMESPACE, "isthmus.mesh/policy-mode=permissive"])?;
    case.apply(SPLIT, &["trafficsplit/three-of-four"])?;
    let url = case.url("app-svc", "/echo");
    until("calls to be let through", PATIENCE, || {
        case.clear()?;
        case.call(&case.url("app-a", "/echo"), "GET")?;
        expect_eq("failed calls", case.outcome()?.1.len(), 0)
    })?;
    for _ in 0..REQUESTS {
        case.call(&url, "GET")?;
    }
    expect_eq("failed calls", case.outcome()?.1, Vec::new())?;

    // Proxies tell what they have counted every two seconds.
    until("the split's requests to be counted", PATIENCE, || {
        let page = plugin.json(&["top", "trafficsplits", "three-of-four"])?;
        let asked = owned(&[("app-b", 30.0), ("app-c", 10.0)]);
        expect_eq("requests", fields(&page, "items", "/backend/name", "/requests"), asked)?;
        expect_eq(
            "shares",
            fields(&page, "items", "/backend/name", "/backend/share"),
            owned(&[("app-b", 0.75), ("app-c", 0.25)]),
        )
    })?;
    until("both ends of the edges to be counted", PATIENCE, || {
        let page = plugin.json(&["edges", "deployments", "app-c-deployment"])?;
        expect_eq("callers", fields(&page, "edges", "/from/name", "/requests"), owned(&[("app-a-deployment", 10.0)]))?;
        let page = plugin.json(&["edges", "deployments", "app-a-deployment"])?;
        let mut called = fields(&page, "edges", "/to/name", "/requests");
        called.retain(|(name, _)| name != "app-a-deployment");
        expect_eq("callees", called, owned(&[("app-b-deployment", 30.0), ("app-c-deployment", 10.0)]))
    })?;

    let tree = plugin.run(&["traffic", "topology", "-n", NAMESPACE, "-t", "5m"])?;
    for line in ["├─ app-b-deployment", "└─ app-c-deployment"] {
        expect_eq(line, tree.lines().filter(|l| l.contains(line) && l.contains("100.00%")).count(), 1)
            .context(tree.clone())?;
    }
    let svg = plugin.run(&["traffic", "topology", "-n", NAMESPACE, "-t", "5m", "-o", "svg"])?;
    expect_eq("a picture", svg.starts_with("<svg ") && svg.contains(">app-c-deployment<"), true)?;

    let nothing = plugin.kubectl(&["traffic", "top", "deployments", "no-such", "-n", NAMESPACE])?;
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    expect_eq("exit code", nothing.status.code(), Some(1))?;
    expect_eq("what isn't there", said.contains("there is no Deployment no-such"), true).context(said)?;
    let offered = plugin.run(&["__complete", "traffic", "top", "deplo"])?;
    expect_eq("completion", offered.lines().next(), Some("deployments"))
}

fn tapped(cluster: &Cluster) -> anyhow::Result<()> {
    let plugin = Plugin::install(cluster)?;
    let case = Case::install(cluster, TAPPED, false)?;
    cluster.kubectl.run(&[
        "wait",
        "--for=condition=Available",
        "apiservice/v1alpha1.tap.isthmus.mesh",
        "--timeout=60s",
    ])?;
    cluster.kubectl.run(&["annotate", "namespace", TAPPED, "isthmus.mesh/policy-mode=permissive"])?;
    let args = ["deploy/app-c-deployment", "-n", TAPPED, "--path=/echo", "--peer=deploy/app-a-deployment"];
    let mut tap = Tap::start(&plugin, &[&args[..], &["--count=2", "--for=1m", "-o", "json"]].concat())?;
    let url = case.url("app-c", "/echo?token=secret");
    until("the tap to have shown enough", PATIENCE, || {
        case.call(&case.url("app-c", "/ip"), "GET")?;
        case.call(&url, "GET")?;
        expect_eq("the tap has ended", tap.0.try_wait()?.is_some(), true)
    })?;
    let shown = tap.end()?;
    expect_eq("lines", shown.lines().count(), 2).context(shown.clone())?;
    for line in shown.lines() {
        let told: Value = serde_json::from_str(line)?;
        let field = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        expect_eq("path", field("path"), "/echo".to_owned())?;
        expect_eq("direction", field("direction"), "inbound".to_owned())?;
        expect_eq("peer", field("peer_workload"), "app-a-deployment".to_owned())?;
        expect_eq("pod", field("pod").starts_with(&format!("{TAPPED}/app-c-deployment-")), true)?;
        expect_eq("status", told.get("status").and_then(Value::as_u64), Some(200))?;
        expect_eq("a secret", line.contains("secret"), false)?;
    }

    let path = format!("/apis/tap.isthmus.mesh/v1alpha1/watch/namespaces/{TAPPED}/tap");
    let stranger = format!("--as=system:serviceaccount:{TAPPED}:default");
    let refused = plugin.kubectl(&["get", "--raw", &path, &stranger])?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    expect_eq("a stranger is refused", !refused.status.success() && said.contains("orbidden"), true).context(said)?;
    let unreadable = plugin.kubectl(&["traffic", "tap", "-n", TAPPED, "--status=9"])?;
    let said = String::from_utf8_lossy(&unreadable.stderr).into_owned();
    expect_eq("what is wrong", said.contains("must be like 503 or 5xx"), true).context(said)
}
