//! From a vector to what was seen.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use isthmus_core::{
    id::ObjectName,
    telemetry::{BOUNDS, BUCKETS},
};
use serde::Deserialize;

use super::expression::ends;
use crate::telemetry::model::{Direction, End, Observation, Totals};

/// Labels say this where a proxy doesn't know, and where it has folded edges.
const NOBODY: [&str; 3] = ["", "unknown", "other"];

/// One series at one moment.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Sample {
    metric: BTreeMap<String, String>,
    /// Time, and the value as text.
    value: (f64, String),
}

/// One sort of traffic, with buckets as Prometheus has them: each with all that are below it.
#[derive(Debug)]
struct Sum {
    seen: Observation,
    below: [f64; BUCKETS],
}

type Key = BTreeMap<String, String>;

/// Adds up what belongs together. What can't be read is left out: it isn't of ours.
pub(super) fn observations(
    direction: Direction,
    samples: Vec<Sample>,
    mesh_of: &dyn Fn(&str) -> Option<Arc<str>>,
) -> Vec<Observation> {
    let mut sums: BTreeMap<Key, Sum> = BTreeMap::new();
    for Sample { mut metric, value: (_, value) } in samples {
        let Some(value) = value.parse::<f64>().ok().filter(|value| value.is_finite() && *value > 0.0) else { continue };
        let (classification, le) = (metric.remove("classification"), metric.remove("le"));
        let sum = match sums.entry(metric) {
            Entry::Occupied(sum) => sum.into_mut(),
            Entry::Vacant(place) => {
                let seen = observation(direction, place.key(), mesh_of);
                place.insert(Sum { seen, below: [0.0; BUCKETS] })
            }
        };
        let totals = &mut sum.seen.totals;
        match (classification.as_deref(), le.as_deref().and_then(bucket)) {
            (Some("success"), _) => totals.successes += value,
            (Some("failure"), _) => totals.failures += value,
            (_, Some(bucket)) => {
                if let Some(below) = sum.below.get_mut(bucket) {
                    *below += value;
                }
            }
            _ => {}
        }
    }
    let whole = |Sum { mut seen, below }: Sum| {
        let mut before = 0.0_f64;
        for (count, below) in seen.totals.latency.iter_mut().zip(below) {
            *count = (below - before).max(0.0);
            before = before.max(below);
        }
        seen
    };
    sums.into_values().map(whole).filter(|seen| !seen.totals.is_empty()).collect()
}

fn observation(direction: Direction, labels: &Key, mesh_of: &dyn Fn(&str) -> Option<Arc<str>>) -> Observation {
    let (own, peer) = ends(direction);
    let object = |label: &str| {
        let (namespace, name) = labels.get(label)?.split_once('/')?;
        Some(ObjectName::new(namespace, name))
    };
    Observation {
        direction,
        // The question is for this mesh's alone.
        own: end(own, labels, None),
        peer: match labels.get(&format!("{peer}_mesh")).map(String::as_str) {
            Some(mesh) if !NOBODY.contains(&mesh) => end(peer, labels, mesh_of(mesh)),
            _ => End::default(),
        },
        service: object("service"),
        backend: object("backend"),
        split: object("split"),
        totals: Totals::default(),
    }
}

fn end(which: &str, labels: &Key, mesh: Option<Arc<str>>) -> End {
    let part = |name: &str| -> Arc<str> {
        let text = labels.get(&format!("{which}_{name}")).map(String::as_str).unwrap_or_default();
        if text == "unknown" { "".into() } else { text.into() }
    };
    End { mesh, namespace: part("namespace"), kind: part("workload_kind"), name: part("workload"), pod: part("pod") }
}

/// Which bucket has this upper bound.
fn bucket(le: &str) -> Option<usize> {
    if le == "+Inf" {
        return Some(BOUNDS.len());
    }
    let le: f64 = le.parse().ok()?;
    BOUNDS.iter().position(|bound| (bound.as_secs_f64() - le).abs() < 1e-9)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sample(labels: &Value, value: &str) -> Sample {
        serde_json::from_value(json!({ "metric": labels, "value": [1.5, value] })).unwrap()
    }

    fn read(samples: Vec<Sample>) -> Vec<Observation> {
        let mesh_of = |domain: &str| if domain == "here.local" { None } else { Some(Arc::from(domain)) };
        observations(Direction::Inbound, samples, &mesh_of)
    }

    fn with(mut labels: Value, name: &str, value: &str) -> Value {
        labels[name] = json!(value);
        labels
    }

    #[test]
    fn series_of_the_same_labels_are_one_sort_of_traffic() {
        let web = json!({
            "destination_namespace": "shop", "destination_workload_kind": "Deployment", "destination_workload": "web",
            "destination_pod": "web-1", "source_mesh": "here.local", "source_namespace": "shop",
            "source_workload_kind": "Job", "source_workload": "load", "source_pod": "load-1", "service": "shop/web"
        });
        let abroad = json!({ "destination_namespace": "shop", "source_mesh": "east.local", "source_namespace": "far", "source_workload": "unknown" });
        let bucket = |le: &str, value: &str| sample(&with(web.clone(), "le", le), value);
        let seen = read(vec![
            sample(&with(web.clone(), "classification", "success"), "40"),
            sample(&with(web.clone(), "classification", "failure"), "2"),
            bucket("0.025", "30"),
            bucket("0.05", "40"),
            bucket("1.0", "41"),
            bucket("+Inf", "42"),
            sample(&with(abroad.clone(), "classification", "success"), "1"),
            sample(&with(json!({}), "classification", "success"), "0"),
        ]);
        let [near, far] = seen.try_into().unwrap();
        let end = |mesh: Option<&str>, parts: [&str; 4]| {
            let [namespace, kind, name, pod] = parts.map(Arc::from);
            End { mesh: mesh.map(Arc::from), namespace, kind, name, pod }
        };
        assert_eq!(near.own, end(None, ["shop", "Deployment", "web", "web-1"]));
        assert_eq!(near.peer, end(None, ["shop", "Job", "load", "load-1"]));
        assert_eq!(near.service, Some(ObjectName::new("shop", "web")));
        assert_eq!((near.totals.successes, near.totals.failures), (40.0, 2.0));
        let counted: Vec<_> = near.totals.latency.iter().enumerate().filter(|(_, count)| **count > 0.0).collect();
        assert_eq!(counted, [(5, &30.0), (6, &10.0), (10, &1.0), (16, &1.0)]);
        assert_eq!(far.peer, end(Some("east.local"), ["far", "", "", ""]), "what isn't known is empty");
    }

    #[test]
    fn nobody_is_nobody_and_no_number_counts_for_nothing() {
        let from = |mesh: &str| {
            with(json!({ "source_mesh": mesh, "source_namespace": mesh, "service": mesh }), "classification", "failure")
        };
        let seen = read(vec![sample(&from("unknown"), "1"), sample(&from("other"), "2"), sample(&from("x"), "NaN")]);
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().all(|seen| seen.peer == End::default() && seen.service.is_none()), "{seen:?}");
    }
}
