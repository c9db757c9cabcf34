//! TrafficMetrics by the controller's own counts and by Prometheus.

use std::time::Duration;

use anyhow::{Context, bail};
use isthmus_tests::wait::{expect_eq, until};
use serde_json::Value;

use crate::scene::{OTHERS, Scene, Workload, difference};

const BASE: &str = "/apis/metrics.smi-spec.io/v1alpha1";
/// Lists, single objects and edges of every sort of object that the scene has.
const PATHS: [&str; 22] = [
    "/namespaces/shop/deployments",
    "/namespaces/shop/pods",
    "/namespaces/shop/services",
    "/namespaces/shop/replicasets",
    "/namespaces/shop/trafficsplits",
    "/namespaces",
    "/deployments",
    "/nodes",
    "/namespaces/shop/deployments/flaky",
    "/namespaces/shop/deployments/flaky/edges",
    "/namespaces/shop/deployments/caller/edges",
    "/namespaces/shop/services/flaky/edges",
    "/namespaces/shop/trafficsplits/front/edges",
    "/namespaces/shop/statefulsets",
    "/namespaces/shop/statefulsets/db/edges",
    "/namespaces/shop/daemonsets",
    "/namespaces/shop/daemonsets/agent/edges",
    "/namespaces/shop/jobs",
    "/namespaces/shop/jobs/batch/edges",
    "/namespaces/shop/replicationcontrollers",
    "/namespaces/shop/replicationcontrollers/old/edges",
    "/namespaces/shop/edges",
];

pub(crate) fn side_by_side(scene: &Scene) -> anyhow::Result<()> {
    let ask = |path: &str, window: &str, source: &str| -> anyhow::Result<Value> {
        let text = scene.cluster.kubectl.run(&["get", "--raw", &format!("{BASE}{path}?t={window}&source={source}")])?;
        let mut answer = serde_json::from_str(&text).context(text)?;
        forget_time(&mut answer);
        Ok(answer)
    };
    let mut figures = vec![("/namespaces/shop/deployments/flaky".to_owned(), ["61", "10"].map(str::to_owned))];
    figures.extend(OTHERS.map(|Workload { plural, name, times, .. }| {
        (format!("/namespaces/shop/{plural}/{name}"), [times.to_string(), "0".to_owned()])
    }));
    for (path, known) in figures {
        for source in ["controller", "prometheus"] {
            // Proxies report every two seconds.
            until("the known figures", Duration::from_secs(20), || {
                let answer = ask(&path, "10m", source)?;
                let metric = |name: &str| -> Option<String> {
                    let metrics = answer.get("metrics")?.as_array()?;
                    let metric = metrics.iter().find(|metric| metric.get("name").is_some_and(|n| n == name))?;
                    Some(metric.get("value")?.as_str()?.to_owned())
                };
                let counts = ["success_count", "failure_count"].map(|name| metric(name).unwrap_or_default());
                expect_eq(&format!("{source}: {answer}"), counts, known.clone())
            })?;
        }
    }
    for path in PATHS {
        let items = until("both to have all", Duration::from_secs(20), || {
            let (own, prometheus) = (ask(path, "10m", "controller")?, ask(path, "10m", "prometheus")?);
            let items = own.get("items").and_then(Value::as_array).map_or(1, Vec::len);
            if items == 0 {
                bail!("{path}: nothing to compare");
            }
            if own != prometheus {
                let [own, prometheus] = [own, prometheus].map(|v| serde_json::to_string_pretty(&v).unwrap_or_default());
                bail!("{path}: by the controller and by Prometheus:\n{}", difference(&own, &prometheus));
            }
            Ok(items)
        })?;
        println!("{path}: {items} the same");
    }
    Ok(())
}

fn forget_time(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !matches!(name.as_str(), "timestamp" | "creationTimestamp"));
            fields.values_mut().for_each(forget_time);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_time),
        _ => {}
    }
}
