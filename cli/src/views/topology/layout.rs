//! Where the parts of a picture go: callers to the left of whom they call, in columns; each mesh in a band of its own.

mod order;
mod ranks;

use std::collections::BTreeMap;

use super::graph::Graph;
use order::{Slot, Slots};
use ranks::Ranks;

/// Sizes, in pixels.
pub(super) const NODE_HEIGHT: f64 = 36.0;
const PITCH: f64 = 64.0;
/// What a link takes on its way past a column.
const PASSAGE: f64 = 30.0;
const GAP: f64 = 250.0;
const MARGIN: f64 = 24.0;
/// For a band's name.
const HEAD: f64 = 26.0;
/// How far from the middle a link goes that leads back, so that it doesn't hide one that leads there.
const ASIDE: f64 = 11.0;

/// A picture's parts.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) node_width: f64,
    /// By node: its left upper corner; `None` for those that aren't drawn.
    pub(super) nodes: Vec<Option<(f64, f64)>>,
    pub(super) bands: Vec<Band>,
    /// By link: points from its start to its end. A link to itself has but one.
    pub(super) routes: Vec<Vec<(f64, f64)>>,
}

/// What belongs to one mesh.
#[derive(Debug, PartialEq)]
pub(super) struct Band {
    /// `None`: this one.
    pub(super) mesh: Option<String>,
    pub(super) y: f64,
    pub(super) height: f64,
}

impl Layout {
    pub(super) fn of(graph: &Graph, node_width: f64) -> Self {
        let ranks = Ranks::of(graph);
        let bands: BTreeMap<usize, usize> = graph
            .meshes()
            .into_values()
            .enumerate()
            .flat_map(|(b, nodes)| nodes.into_iter().map(move |n| (n, b)))
            .collect();
        let slots = Slots::of(graph, &ranks, &bands);
        let heights = heights(&slots);
        let mut y = MARGIN;
        let mut tops = Vec::new();
        for height in &heights {
            tops.push(y + HEAD);
            y += HEAD + height + MARGIN;
        }
        let left = |rank: usize| MARGIN + HEAD + rank as f64 * (node_width + GAP);
        let middles = middles(&slots, &tops, &heights);
        let at = |slot: Slot| middles.get(&slot).map(|(rank, middle)| (left(*rank), *middle));
        let corner = |node| at(Slot::Node(node)).map(|(x, middle)| (x, middle - NODE_HEIGHT / 2.0));
        let nodes: Vec<_> = (0..graph.nodes.len()).map(corner).collect();
        let route = |link: usize| {
            let passed: Vec<(f64, f64)> = slots.way(graph, &ranks, link).into_iter().filter_map(at).collect();
            points(&passed, node_width, ranks.reversed(link))
        };
        let bands = graph.meshes().into_keys().zip(tops.iter().zip(&heights)).map(|(mesh, (top, height))| Band {
            mesh: mesh.map(str::to_owned),
            y: top - HEAD,
            height: HEAD + height,
        });
        let columns = slots.columns.len().max(1);
        Self {
            width: left(columns - 1) + node_width + HEAD + MARGIN,
            height: y,
            node_width,
            bands: bands.collect(),
            routes: (0..graph.links.len()).map(route).collect(),
            nodes,
        }
    }
}

fn size(slot: Slot) -> f64 {
    match slot {
        Slot::Node(_) => PITCH,
        Slot::Passage { .. } => PASSAGE,
    }
}

/// By band: as much as its fullest column takes.
fn heights(slots: &Slots) -> Vec<f64> {
    let mut heights: Vec<f64> = Vec::new();
    for column in &slots.columns {
        let mut sums = BTreeMap::new();
        for (band, slot) in column {
            *sums.entry(*band).or_insert(0.0) += size(*slot);
        }
        for (band, sum) in sums {
            heights.resize(heights.len().max(band + 1), 0.0);
            if let Some(height) = heights.get_mut(band) {
                *height = height.max(sum);
            }
        }
    }
    heights
}

/// By slot: its column, and how far down its middle is. A column that doesn't fill its band stands in the band's middle.
fn middles(slots: &Slots, tops: &[f64], heights: &[f64]) -> BTreeMap<Slot, (usize, f64)> {
    let mut middles = BTreeMap::new();
    for (rank, column) in slots.columns.iter().enumerate() {
        for (band, (top, height)) in tops.iter().zip(heights).enumerate() {
            let own = || column.iter().filter(|(b, _)| *b == band).map(|(_, slot)| *slot);
            let mut y = top + (height - own().map(size).sum::<f64>()) / 2.0;
            for slot in own() {
                middles.insert(slot, (rank, y + size(slot) / 2.0));
                y += size(slot);
            }
        }
    }
    middles
}

/// The points of a link: out of its first slot, through those between, into its last.
fn points(passed: &[(f64, f64)], width: f64, reversed: bool) -> Vec<(f64, f64)> {
    let aside = if reversed { ASIDE } else { 0.0 };
    let count = passed.len();
    let mut points = Vec::new();
    for (at, (x, y)) in passed.iter().enumerate() {
        // To itself: there is nothing to pass.
        if at > 0 || count == 1 {
            points.push((*x, y + aside));
        }
        if at + 1 < count {
            points.push((x + width, y + aside));
        }
    }
    if reversed {
        points.reverse();
    }
    points
}

#[cfg(test)]
mod tests;
