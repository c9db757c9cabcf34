//! TrafficMetrics by the real kubectl: every path, discovery, and tables.

use std::time::Duration;

use anyhow::{Context, bail};
use isthmus_tests::wait::{expect_eq, until};
use serde_json::Value;

use crate::scene::{SHOP, Scene};

const BASE: &str = "/apis/metrics.smi-spec.io/v1alpha1";
/// Each resource, whether it is in a namespace, and which object is asked for.
const RESOURCES: [(&str, bool, Which); 11] = [
    ("daemonsets", true, Which::Named("agent")),
    ("deployments", true, Which::Named("flaky")),
    ("jobs", true, Which::Named("batch")),
    ("namespaces", false, Which::Named(SHOP)),
    ("nodes", false, Which::First),
    ("pods", true, Which::First),
    ("replicasets", true, Which::First),
    ("replicationcontrollers", true, Which::Named("old")),
    ("services", true, Which::Named("flaky")),
    ("statefulsets", true, Which::Named("db")),
    ("trafficsplits", true, Which::Named("front")),
];

/// Of a resource's objects.
#[derive(Clone, Copy)]
enum Which {
    Named(&'static str),
    /// Somebody else gives them names.
    First,
}

/// `kubectl get --raw`, below the API's own path.
fn raw(scene: &Scene, path: &str) -> anyhow::Result<Value> {
    let text = scene.cluster.kubectl.run(&["get", "--raw", &format!("{BASE}{path}")])?;
    serde_json::from_str(&text).context(text)
}

/// The items of a list.
fn items(scene: &Scene, path: &str) -> anyhow::Result<Vec<Value>> {
    let list = raw(scene, path)?;
    expect_eq(path, list.get("kind").and_then(Value::as_str), Some("TrafficMetricsList"))?;
    Ok(list.get("items").and_then(Value::as_array).with_context(|| format!("{path}: {list}"))?.clone())
}

fn name(item: &Value) -> &str {
    item.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn every_one(scene: &Scene) -> anyhow::Result<()> {
    let mut paths = 0;
    for (plural, namespaced, which) in RESOURCES {
        let mut folders = vec![format!("/{plural}")];
        folders.extend(namespaced.then(|| format!("/namespaces/{SHOP}/{plural}")));
        let mut listed = Vec::new();
        for folder in &folders {
            listed = items(scene, folder)?;
        }
        let folder = folders.last().context("no list")?;
        paths += folders.len() + 2;
        for path in [format!("{folder}/any"), format!("{folder}/any/edges")] {
            let missing = scene.cluster.kubectl.try_run(&["get", "--raw", &format!("{BASE}{path}")], None)?;
            expect_eq(&missing.stderr, missing.stderr.contains("\"any\" not found"), true)?;
        }
        let one = match which {
            Which::Named(name) => name,
            Which::First => listed.first().map(name).context("none")?,
        };
        let single = raw(scene, &format!("{folder}/{one}"))?;
        let kind = if plural == "trafficsplits" { "TrafficMetricsList" } else { "TrafficMetrics" };
        expect_eq(plural, single.get("kind").and_then(Value::as_str), Some(kind))?;
        items(scene, &format!("{folder}/{one}/edges?t=10m"))?;
    }
    println!("{paths} paths of {} resources", RESOURCES.len());
    Ok(())
}

/// Whoever asks for a Service that is a split's root is told what its clients asked of it.
pub(crate) fn a_splits_root(scene: &Scene) -> anyhow::Result<()> {
    let path = format!("/namespaces/{SHOP}/services/front");
    for source in ["controller", "prometheus"] {
        until("the known figure", Duration::from_secs(20), || {
            let front = raw(scene, &format!("{path}?t=10m&source={source}"))?;
            let text = |pointer: &str| front.pointer(pointer).and_then(Value::as_str);
            expect_eq(
                &format!("{source}: {front}"),
                [text("/edge/side"), text("/metrics/3/value")],
                [Some("client"), Some("40")],
            )
        })?;
    }
    let callers = items(scene, &format!("{path}/edges?t=10m"))?;
    let from = callers.iter().filter_map(|edge| edge.pointer("/edge/resource/kind").and_then(Value::as_str));
    // The caller has no Service: it is named by what owns it.
    expect_eq("callers", from.collect(), vec!["Deployment"])?;
    let arrived = raw(scene, &format!("{path}?t=10m&side=server"))?;
    expect_eq("arrived", arrived.pointer("/metrics/3/value").and_then(Value::as_str), Some("0"))
}

pub(crate) fn discovered(scene: &Scene) -> anyhow::Result<()> {
    let kubectl = &scene.cluster.kubectl;
    let found = kubectl.run(&["api-resources", "--api-group=metrics.smi-spec.io", "-o", "name"])?;
    let mut found: Vec<&str> =
        found.lines().filter_map(|line| line.split_once('.')).map(|(plural, _)| plural).collect();
    found.sort_unstable();
    expect_eq("kubectl api-resources", found, RESOURCES.map(|(plural, ..)| plural).to_vec())
}

/// As people ask: columns, and an order by a figure. 9 comes before 12, as numbers do.
pub(crate) fn tables(scene: &Scene) -> anyhow::Result<()> {
    let kubectl = &scene.cluster.kubectl;
    let get = |more: &[&str]| {
        kubectl.run(&[&["get", "deployments.v1alpha1.metrics.smi-spec.io", "-n", SHOP][..], more].concat())
    };
    let head = |table: &str| -> Vec<String> {
        table.lines().next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    expect_eq("columns", head(&get(&[])?).join(" "), "NAME SUCCESS RPS P50 P90 P99".to_owned())?;
    let wide = "NAME SUCCESS RPS P50 P90 P99 SUCCESSES FAILURES SIDE WINDOW";
    expect_eq("wide", head(&get(&["-o", "wide"])?).join(" "), wide.to_owned())?;
    for (host, times) in [("nine", 9), ("twelve", 12)] {
        (0..times).try_for_each(|_| scene.call(host, "ok"))?;
    }
    let busy = |figure: &str| -> anyhow::Result<Vec<String>> {
        let table = get(&["--sort-by", figure])?;
        let names = table.lines().filter_map(|line| line.split_whitespace().next());
        Ok(names.filter(|name| ["nine", "twelve"].contains(name)).map(str::to_owned).collect())
    };
    until("both in order", Duration::from_secs(20), || {
        let by_count = busy("{.metrics[?(@.name==\"success_count\")].value}")?;
        if by_count != ["nine", "twelve"] { bail!("{by_count:?}:\n{}", get(&["-o", "wide"])?) } else { Ok(()) }
    })?;
    expect_eq("by name", busy("{.metadata.name}")?, vec!["nine".to_owned(), "twelve".to_owned()])
}
