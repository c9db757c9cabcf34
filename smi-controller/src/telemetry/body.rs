//! Answers as the spec writes them (smi.md §1.6, §3.3).

use std::time::Duration;

use isthmus_core::{
    broken::{self, Fault},
    id::ObjectName,
    telemetry::quantile,
};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    kind::Kind,
    model::Totals,
    places::Peer,
    quantity::quantity,
    request::{Ask, GROUP, Side, VERSION},
    sums::{Edge, Way},
    window,
};

/// What all items of an answer have in common.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) now: Timestamp,
}

/// A backend of a split, with its weight if it still has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backend {
    pub(crate) apex: String,
    pub(crate) name: String,
    pub(crate) weight: u32,
}

impl Frame<'_> {
    fn item(&self, object: &ObjectName, link: &str, edge: Value, totals: &Totals) -> Map<String, Value> {
        let mut metadata = names(object);
        metadata.insert("selfLink".to_owned(), json!(link));
        metadata.insert("creationTimestamp".to_owned(), json!(time(self.now)));
        let mut resource = names(object);
        resource.insert("kind".to_owned(), json!(self.ask.kind.as_str()));
        let item = json!({
            "kind": "TrafficMetrics",
            "apiVersion": api_version(),
            "metadata": metadata,
            "timestamp": time(self.now),
            "window": window::write(self.ask.window),
            "resource": resource,
            "edge": edge,
            "metrics": metrics(totals),
        });
        match item {
            Value::Object(item) => item,
            _ => Map::new(),
        }
    }

    /// Everything that came to an object.
    pub(crate) fn of_object(&self, object: &ObjectName, side: Side, totals: &Totals) -> Value {
        let edge = json!({ "direction": "from", "side": side.as_str(), "resource": {} });
        Value::Object(self.item(object, &link(self.ask.kind, object), edge, totals))
    }

    /// What a split sent to one of its backends.
    pub(crate) fn of_backend(&self, split: &ObjectName, backend: &Backend, totals: &Totals) -> Value {
        let edge = json!({ "direction": "from", "side": "client", "resource": {} });
        let mut item = self.item(split, &link(self.ask.kind, split), edge, totals);
        item.insert("backend".to_owned(), backend.value());
        Value::Object(item)
    }

    /// What passed between an object and one other.
    pub(crate) fn of_edge(&self, object: &ObjectName, edge: &Edge, backend: Option<&Backend>) -> Value {
        let direction = match (edge.way == Way::From, broken::is(Fault::MetricsEdgesReversed)) {
            (true, false) | (false, true) => "from",
            (false, false) | (true, true) => "to",
        };
        let about = json!({ "direction": direction, "side": edge.side.as_str(), "resource": peer(&edge.peer) });
        let mut item = self.item(object, &format!("{}/edges", link(self.ask.kind, object)), about, &edge.totals);
        if let Some(backend) = backend {
            item.insert("backend".to_owned(), backend.value());
        }
        Value::Object(item)
    }

    /// Items in a list. Of one object's it says which; else of which kind, and where.
    pub(crate) fn list(&self, items: Vec<Value>) -> Value {
        let mut resource = Map::new();
        resource.insert("kind".to_owned(), json!(self.ask.kind.as_str()));
        for (field, value) in [("namespace", &self.ask.namespace), ("name", &self.ask.name)] {
            if let Some(value) = value {
                resource.insert(field.to_owned(), json!(value));
            }
        }
        json!({
            "kind": "TrafficMetricsList",
            "apiVersion": api_version(),
            "metadata": { "selfLink": self.ask.path },
            "resource": resource,
            "items": items,
        })
    }
}

impl Backend {
    fn value(&self) -> Value {
        let weight = if broken::is(Fault::MetricsWeightsLost) { 0 } else { self.weight };
        json!({ "apex": self.apex, "name": self.name, "weight": weight })
    }
}

pub(crate) fn api_version() -> String {
    format!("{GROUP}/{VERSION}")
}

/// RFC 3339, of whole seconds.
pub(crate) fn time(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn link(kind: Kind, object: &ObjectName) -> String {
    let base = format!("/apis/{}", api_version());
    if object.namespace.is_empty() {
        format!("{base}/{}/{}", kind.plural(), object.name)
    } else {
        format!("{base}/namespaces/{}/{}/{}", object.namespace, kind.plural(), object.name)
    }
}

fn names(object: &ObjectName) -> Map<String, Value> {
    let mut names = Map::new();
    names.insert("name".to_owned(), json!(object.name));
    if !object.namespace.is_empty() {
        names.insert("namespace".to_owned(), json!(object.namespace));
    }
    names
}

/// Only what is known: nothing of whoever is outside the mesh.
fn peer(peer: &Peer) -> Value {
    let parts = [("kind", &peer.kind), ("namespace", &peer.namespace), ("name", &peer.name)];
    let known = parts.into_iter().filter(|(_, value)| !value.is_empty());
    let mut resource: Map<String, Value> = known.map(|(field, value)| (field.to_owned(), json!(value))).collect();
    if let Some(mesh) = peer.mesh.as_ref().filter(|_| !broken::is(Fault::MetricsMeshLost)) {
        resource.insert("mesh".to_owned(), json!(mesh));
    }
    Value::Object(resource)
}

/// In milliseconds; 0 if nothing was measured.
pub(crate) fn latency(totals: &Totals, q: f64) -> f64 {
    quantile(q, totals.latency).unwrap_or_default() * 1000.0
}

fn metrics(totals: &Totals) -> Vec<Value> {
    let latency = |name: &str, q: f64| json!({ "name": name, "unit": "ms", "value": quantity(latency(totals, q)) });
    let count = |name: &str, count: f64| json!({ "name": name, "value": quantity(count) });
    let (successes, failures) = match () {
        () if broken::is(Fault::MetricsSwapped) => (totals.failures, totals.successes),
        () if broken::is(Fault::MetricsDoubled) => (totals.successes * 2.0, totals.failures * 2.0),
        () => (totals.successes, totals.failures),
    };
    vec![
        latency("p99_response_latency", 0.99),
        latency("p90_response_latency", 0.90),
        latency("p50_response_latency", if broken::is(Fault::MetricsP99AsP50) { 0.99 } else { 0.50 }),
        count("success_count", successes),
        count("failure_count", failures),
    ]
}

/// Of the requests, how many per second.
pub(crate) fn rate(totals: &Totals, window: Duration) -> f64 {
    (totals.successes + totals.failures) / window.as_secs_f64()
}
