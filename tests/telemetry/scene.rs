//! The cluster, Prometheus, and the load.

use std::{collections::BTreeSet, time::Duration};

use isthmus_tests::{
    cluster::Cluster,
    http,
    kubectl::PortForward,
    prometheus::Server,
    wait::{expect_eq, until},
};
use serde_json::{Value, json};

use crate::{manifest, traces::Collector};

const PATIENCE: Duration = Duration::from_secs(90);
pub(crate) const SHOP: &str = "shop";
/// Two of them have known figures; the others are called when a test wants to see who was called more.
const SERVERS: [&str; 4] = ["flaky", "steady", "nine", "twelve"];

/// Servers of every kind that TrafficMetrics knows beside Deployments.
pub(crate) const OTHERS: [Workload<'_>; 4] = [
    Workload { api: "apps/v1", kind: "StatefulSet", plural: "statefulsets", name: "db", times: 3 },
    Workload { api: "apps/v1", kind: "DaemonSet", plural: "daemonsets", name: "agent", times: 4 },
    Workload { api: "batch/v1", kind: "Job", plural: "jobs", name: "batch", times: 5 },
    Workload { api: "v1", kind: "ReplicationController", plural: "replicationcontrollers", name: "old", times: 6 },
];

/// A workload, and how often it is called.
pub(crate) struct Workload<'a> {
    pub(crate) api: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) plural: &'a str,
    pub(crate) name: &'a str,
    pub(crate) times: u32,
}

/// What begins every edge, the split's too: 3 to steady, 1 to flaky.
const FIRST: [(&str, u32); 3] = [("flaky", 1), ("steady", 1), ("front", 4)];

/// What is called then, and how often.
const LOAD: [(&str, &str, u32); 5] = [
    ("flaky", "ok", 30),
    ("flaky", "fail", 10),
    ("flaky", "slow", 20),
    ("steady", "ok", 40),
    // 27 to steady, 9 to flaky.
    ("front", "ok", 36),
];

/// What a request adds to at its two ends, when it begins and when it has ended.
const COUNTERS: [&str; 4] = ["inbound_requests", "inbound_responses", "outbound_requests", "outbound_responses"];

/// All of it has happened, and Prometheus has seen it.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) prometheus: Server,
    pub(crate) caller: PortForward,
    pub(crate) collector: Collector,
}

impl Scene {
    pub(crate) fn set() -> anyhow::Result<Self> {
        let collector = Collector::new()?;
        let told = collector.told_to_the_mesh()?;
        let cluster = Cluster::up("telemetry-tests", &told.each_ref().map(String::as_str))?;
        let kubectl = &cluster.kubectl;
        Server::asked_by_the_controller(kubectl)?;
        kubectl.run(&["create", "namespace", SHOP])?;
        kubectl.run(&["label", "namespace", SHOP, "isthmus.mesh/inject=enabled"])?;
        kubectl.run(&["annotate", "namespace", SHOP, "isthmus.mesh/policy-mode=permissive"])?;
        let mut apps = manifest::CALLER.to_owned() + &manifest::split();
        apps.extend(SERVERS.map(manifest::server));
        apps.extend(OTHERS.map(|other| manifest::workload(&other)));
        kubectl.apply(SHOP, &apps)?;
        for app in ["caller"].into_iter().chain(SERVERS) {
            kubectl.run(&["rollout", "status", "-n", SHOP, &format!("deployment/{app}"), "--timeout=90s"])?;
        }
        for Workload { name, .. } in OTHERS {
            let label = format!("app={name}");
            kubectl.run(&["wait", "-n", SHOP, "--for=condition=Ready", "pod", "-l", &label, "--timeout=90s"])?;
        }
        kubectl.run(&["wait", "-n", SHOP, "--for=condition=Programmed", "trafficsplit/front", "--timeout=60s"])?;
        let prometheus = Server::start(kubectl, || cluster.isthmus())?;
        let caller = kubectl.port_forward(SHOP, "deployment/caller", 8080)?;
        let scene = Self { cluster, prometheus, caller, collector };
        // The sidecars, and the controller.
        let targets = f64::from(u32::try_from(SERVERS.len() + OTHERS.len() + 2)?);
        until("all targets up", PATIENCE, || scene.prometheus.expect("count(up == 1)", targets))?;
        scene.load()?;
        Ok(scene)
    }

    /// Has the caller ask a server.
    pub(crate) fn call(&self, host: &str, path: &str) -> anyhow::Result<()> {
        self.call_with(host, path, &json!({}))
    }

    /// The same, with these headers.
    pub(crate) fn call_with(&self, host: &str, path: &str, headers: &Value) -> anyhow::Result<()> {
        let ask = json!({ "url": format!("http://{host}/{path}"), "headers": headers }).to_string();
        let answer = http::send(self.caller.port, http::with_body("POST", "/ask", ask))?;
        let answer: Value = serde_json::from_str(answer.body())?;
        let asked = if path == "fail" { 500 } else { 200 };
        expect_eq(&format!("{host}/{path}: {answer}"), answer.get("status").and_then(Value::as_u64), Some(asked))
    }

    /// Each edge begins and is scraped; then comes what rates are of.
    fn load(&self) -> anyhow::Result<()> {
        let first: Vec<_> = FIRST.into_iter().chain(OTHERS.map(|other| (other.name, other.times))).collect();
        for (host, times) in &first {
            (0..*times).try_for_each(|_| self.call(host, "ok"))?;
        }
        let first = first.iter().map(|(_, times)| times).sum();
        self.scraped("the first requests are scraped", first)?;
        for (host, path, times) in LOAD {
            for _ in 0..times {
                self.call(host, path)?;
            }
        }
        let all: u32 = LOAD.iter().map(|(.., times)| times).sum();
        self.scraped("all requests are scraped", first + all)
    }

    /// Each sidecar is scraped in a moment of its own: the caller's figures may be older than its servers'.
    fn scraped(&self, what: &str, requests: u32) -> anyhow::Result<()> {
        let seen = |series: &str| format!("sum(isthmus_{series}_total{{source_workload=\"caller\"}})");
        until(what, PATIENCE, || {
            COUNTERS.iter().try_for_each(|series| self.prometheus.expect(&seen(series), f64::from(requests)))
        })
    }
}

/// What differs between two texts, for a failure's message.
pub(crate) fn difference(a: &str, b: &str) -> String {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (a, b) = (lines(a), lines(b));
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>().join("\n");
    format!("only here:\n{}\nonly there:\n{}", only(&a, &b), only(&b, &a))
}
