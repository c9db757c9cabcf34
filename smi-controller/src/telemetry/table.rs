//! Answers as tables, for `kubectl get`.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    body::{Backend, latency, rate, time},
    model::Totals,
    places::Peer,
    request::{Ask, Include},
    sums::{Edge, Way},
};

/// One line: whose, with whom, and how much.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) item: &'a Value,
    pub(crate) totals: &'a Totals,
    pub(crate) edge: Option<&'a Edge>,
    pub(crate) backend: Option<&'a Backend>,
    /// Of all that the split sent, in percent.
    pub(crate) share: Option<f64>,
}

/// A Table.
pub(crate) fn table(ask: &Ask, rows: &[Row<'_>], now: Timestamp) -> Value {
    let split = rows.iter().any(|row| row.backend.is_some());
    let mut columns = vec![column("Name", "string", "name", 0, "Whose traffic it is.")];
    if ask.edges {
        columns.push(column("Direction", "string", "", 0, "from: it was called; to: it called."));
        columns.push(column(
            "Peer",
            "string",
            "",
            0,
            "The other end: kind/name.namespace, with @mesh of another mesh.",
        ));
    }
    if split {
        columns.push(column("Backend", "string", "", 0, "Where the split sent it."));
        columns.push(column("Weight", "integer", "", 0, "Of the backend, as the split has it now."));
        columns.push(column("Share", "string", "", 0, "Of all that the split sent in the window."));
    }
    columns.push(column("Success", "string", "", 0, "Of the answers, in percent."));
    columns.push(column("RPS", "string", "", 0, "Answers per second over the window."));
    for (name, part) in [("P50", "half"), ("P90", "nine of ten"), ("P99", "99 of 100")] {
        columns.push(column(name, "string", "", 0, &format!("Time within which {part} were answered.")));
    }
    columns.push(column("Successes", "integer", "", 1, "In the window."));
    columns.push(column("Failures", "integer", "", 1, "In the window."));
    columns.push(column("Side", "string", "", 1, "Who measured."));
    columns.push(column("Window", "string", "", 1, "What time it is of."));
    let rows: Vec<Value> = rows.iter().map(|row| row.value(ask, split)).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": { "selfLink": ask.path, "creationTimestamp": time(now) },
        "columnDefinitions": columns, "rows": rows,
    })
}

fn column(name: &str, of: &str, format: &str, priority: u8, description: &str) -> Value {
    json!({ "name": name, "type": of, "format": format, "description": description, "priority": priority })
}

impl Row<'_> {
    fn value(&self, ask: &Ask, split: bool) -> Value {
        let text = |pointer: &str| self.item.pointer(pointer).cloned().unwrap_or_default();
        let mut cells = vec![text("/metadata/name")];
        if let Some(edge) = self.edge {
            cells.push(json!(if edge.way == Way::From { "from" } else { "to" }));
            cells.push(json!(peer(&edge.peer)));
        }
        if split {
            cells.push(json!(self.backend.map(|backend| &backend.name)));
            cells.push(json!(self.backend.map(|backend| backend.weight)));
            cells.push(json!(self.share.map_or_else(|| "-".to_owned(), |share| format!("{share:.1}%"))));
        }
        let Totals { successes, failures, .. } = self.totals;
        let some = !self.totals.is_empty();
        let when = |some: bool, text: String| json!(if some { text } else { "-".to_owned() });
        cells.push(when(some, format!("{:.2}%", 100.0 * successes / (successes + failures))));
        cells.push(json!(format!("{:.1}", rate(self.totals, ask.window))));
        let timed = self.totals.latency.iter().any(|count| *count > 0.0);
        cells.extend([0.5, 0.9, 0.99].map(|q| when(timed, format!("{:.1}ms", latency(self.totals, q)))));
        cells.extend([*successes, *failures].map(|count| json!(count.round() as u64)));
        cells.extend([text("/edge/side"), text("/window")]);
        let object = match ask.include {
            Include::None => Value::Null,
            Include::Metadata => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": text("/metadata"),
            }),
            Include::Object => self.item.clone(),
        };
        json!({ "cells": cells, "object": object })
    }
}

/// `kind/name.namespace@mesh`, as far as it is known.
fn peer(peer: &Peer) -> String {
    let mut text = match (&*peer.kind, &*peer.name) {
        ("", _) | (_, "") => String::new(),
        (kind, name) => format!("{}/{name}", kind.to_ascii_lowercase()),
    };
    if !peer.namespace.is_empty() {
        text = format!("{text}.{}", peer.namespace);
    }
    if let Some(mesh) = &peer.mesh {
        text = format!("{text}@{mesh}");
    }
    if text.is_empty() { "<outside the mesh>".to_owned() } else { text }
}
