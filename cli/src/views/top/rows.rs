//! The rows of `isthmus top`.

use std::{cmp::Ordering, collections::BTreeMap};

use serde::Serialize;

use super::Sort;
use crate::{
    output::Column,
    views::{
        api::{Ref, Sample},
        figures::{self, Figures, Measured},
    },
};

/// What one look has shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::views) struct Page {
    pub(in crate::views) items: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::views) struct Row {
    #[serde(flatten)]
    pub(in crate::views) resource: Ref,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::views) backend: Option<Leg>,
    #[serde(flatten)]
    pub(in crate::views) figures: Figures,
}

/// A backend of a split: what it was to get, and what it got.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::views) struct Leg {
    pub(in crate::views) apex: String,
    pub(in crate::views) name: String,
    pub(in crate::views) weight: f64,
    /// The weight's part of all weights, from 0 to 1; null where they are all 0.
    pub(in crate::views) asked: Option<f64>,
    /// Its part of the split's requests; null where there were none.
    pub(in crate::views) share: Option<f64>,
}

impl Page {
    pub(in crate::views) fn of(samples: Vec<Sample>, sort: Sort) -> Self {
        // A split's items are one for each backend: its shares are of them all.
        let mut sums: BTreeMap<Ref, (f64, f64)> = BTreeMap::new();
        for sample in &samples {
            if let Some(backend) = &sample.backend {
                let (weights, requests) = sums.entry(sample.resource.clone()).or_default();
                *weights += backend.weight;
                *requests += sample.golden.requests();
            }
        }
        let row = |sample: Sample| {
            let (weights, requests) = sums.get(&sample.resource).copied().unwrap_or_default();
            let part = |of: f64, all: f64| (all > 0.0).then(|| of / all);
            let backend = sample.backend.map(|b| Leg {
                asked: part(b.weight, weights),
                share: part(sample.golden.requests(), requests),
                apex: b.apex,
                name: b.name,
                weight: b.weight,
            });
            Row { figures: Figures::from(&sample.golden), resource: sample.resource, backend }
        };
        let mut items: Vec<Row> = samples.into_iter().map(row).collect();
        items.sort_by(|a, b| sort.order(a, b));
        Self { items }
    }

    pub(in crate::views) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// For people.
    pub(in crate::views) fn table(&self, namespaces: bool, colour: bool) -> String {
        let mut columns: Vec<Column<Row>> = Vec::new();
        if namespaces {
            columns.push(("NAMESPACE", |r| r.resource.namespace.clone()));
        }
        columns.push(("NAME", |r| r.resource.name.clone()));
        if self.items.iter().any(|r| r.backend.is_some()) {
            let leg: [Column<Row>; 4] = [
                ("SERVICE", |r| r.leg(|l| l.apex.clone())),
                ("BACKEND", |r| r.leg(|l| l.name.clone())),
                ("WEIGHT", |r| r.leg(|l| weight(l.weight, l.asked))),
                ("SHARE", |r| r.leg(|l| l.share.map_or_else(|| "-".into(), figures::share))),
            ];
            columns.extend(leg);
        }
        figures::table(&self.items, columns, colour)
    }
}

fn weight(weight: f64, asked: Option<f64>) -> String {
    asked.map_or_else(|| weight.to_string(), |asked| format!("{weight} ({})", figures::share(asked)))
}

impl Row {
    fn leg(&self, cell: impl Fn(&Leg) -> String) -> String {
        self.backend.as_ref().map(cell).unwrap_or_default()
    }
}

impl Measured for Row {
    fn figures(&self) -> Option<&Figures> {
        Some(&self.figures)
    }
}

impl Sort {
    fn order(self, a: &Row, b: &Row) -> Ordering {
        let rate = |row: &Row| row.figures.success_rate.unwrap_or(f64::INFINITY);
        // A split's backends stay together, in the order of their names.
        let together = |row: &Row| row.backend.is_some();
        let by = match self {
            _ if together(a) || together(b) => Ordering::Equal,
            Self::Rps => b.figures.rps.total_cmp(&a.figures.rps),
            Self::Success => rate(a).total_cmp(&rate(b)),
            Self::P99 => b.figures.latency_ms.p99.total_cmp(&a.figures.latency_ms.p99),
            Self::Name => Ordering::Equal,
        };
        let backend = |row: &Row| row.backend.as_ref().map(|leg| leg.name.clone());
        by.then_with(|| a.resource.cmp(&b.resource)).then_with(|| backend(a).cmp(&backend(b)))
    }
}

#[cfg(test)]
mod tests;
