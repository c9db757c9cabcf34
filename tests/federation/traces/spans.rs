//! What the collector was sent.

use std::collections::BTreeMap;

use anyhow::Context;
use isthmus_tests::{http, kubectl::PortForward};
use serde_json::Value;

/// A span, as far as it matters here.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    parent: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    service: String,
    mesh: String,
    attributes: BTreeMap<String, String>,
}

impl Span {
    pub(crate) fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

/// All, in the order in which they came.
pub(crate) fn read(collector: &PortForward) -> anyhow::Result<Vec<Span>> {
    let answer = http::send(collector.port, http::request("GET", "/"))?;
    let spans: Vec<Value> = serde_json::from_str(answer.body())?;
    spans.iter().map(|span| span_of(span).with_context(|| span.to_string())).collect()
}

fn span_of(span: &Value) -> Option<Span> {
    let text = |pointer: &str| span.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let attributes = span.get("attributes")?.as_object()?;
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some(Span {
        trace: text("/trace")?,
        id: text("/span")?,
        parent: text("/parent")?,
        name: text("/name")?,
        kind: text("/kind")?,
        service: text("/resource/service.name")?,
        mesh: text("/resource/isthmus.mesh")?,
        attributes: attributes.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
    })
}

/// The spans of a trace below one, a line each, children indented: by name, for time is no order between machines.
pub(crate) fn tree(spans: &[Span], trace: &str, below: &str) -> String {
    let mut children: Vec<&Span> = spans.iter().filter(|span| span.trace == trace && span.parent == below).collect();
    children.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::new();
    for Span { id, name, kind, service, mesh, .. } in children {
        text += &format!("{name}, {kind}, {service}, {mesh}\n");
        text.extend(tree(spans, trace, id).lines().map(|line| format!("  {line}\n")));
    }
    text
}
