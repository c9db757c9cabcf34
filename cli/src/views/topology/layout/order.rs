//! What stands above what in a column, so that few links cross.

use std::collections::BTreeMap;

use super::{super::graph::Graph, ranks::Ranks};

/// A place in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Node(usize),
    /// Where a link passes that leads further than to the next column.
    Passage {
        link: usize,
        rank: usize,
    },
}

/// Columns from left to right, each from top to bottom, with the band of every slot.
pub(super) struct Slots {
    pub(super) columns: Vec<Vec<(usize, Slot)>>,
}

/// How often the order is bettered, from left to right and back.
const SWEEPS: usize = 4;

impl Slots {
    pub(super) fn of(graph: &Graph, ranks: &Ranks, bands: &BTreeMap<usize, usize>) -> Self {
        let last = bands.keys().map(|node| ranks.rank(*node)).max();
        let mut columns = vec![Vec::new(); last.map_or(0, |last| last + 1)];
        let mut put = |rank: usize, band: usize, slot| {
            if let Some(column) = columns.get_mut(rank) {
                column.push((band, slot));
            }
        };
        for (node, band) in bands {
            put(ranks.rank(*node), *band, Slot::Node(*node));
        }
        let mut slots = Self { columns: Vec::new() };
        let mut pairs = Vec::new();
        for (at, link) in graph.links.iter().enumerate() {
            let way = slots.way(graph, ranks, at);
            let band = bands.get(&link.to).copied().unwrap_or_default();
            for slot in &way {
                if let Slot::Passage { rank, .. } = slot {
                    put(*rank, band, *slot);
                }
            }
            pairs.extend(way.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))));
        }
        slots.columns = columns;
        slots.sort(&pairs);
        slots
    }

    /// The slots that a link passes, from left to right.
    pub(super) fn way(&self, graph: &Graph, ranks: &Ranks, link: usize) -> Vec<Slot> {
        let Some(ends) = graph.links.get(link) else { return Vec::new() };
        if ends.from == ends.to {
            return vec![Slot::Node(ends.from)];
        }
        let (left, right) = if ranks.reversed(link) { (ends.to, ends.from) } else { (ends.from, ends.to) };
        let between = (ranks.rank(left) + 1..ranks.rank(right)).map(|rank| Slot::Passage { link, rank });
        std::iter::once(Slot::Node(left)).chain(between).chain([Slot::Node(right)]).collect()
    }

    /// Each slot goes where, on average, its neighbours in the column before are; bands stay apart.
    fn sort(&mut self, pairs: &[(Slot, Slot)]) {
        let mut neighbours: BTreeMap<Slot, (Vec<Slot>, Vec<Slot>)> = BTreeMap::new();
        for (left, right) in pairs {
            neighbours.entry(*right).or_default().0.push(*left);
            neighbours.entry(*left).or_default().1.push(*right);
        }
        for column in &mut self.columns {
            column.sort_unstable();
        }
        let count = self.columns.len();
        for sweep in 0..SWEEPS {
            let rightwards = sweep % 2 == 0;
            for step in 1..count {
                let (column, before) = if rightwards { (step, step - 1) } else { (count - 1 - step, count - step) };
                let places: BTreeMap<Slot, f64> = self
                    .columns
                    .get(before)
                    .into_iter()
                    .flatten()
                    .zip(0u32..)
                    .map(|((_, slot), at)| (*slot, f64::from(at)))
                    .collect();
                let Some(column) = self.columns.get_mut(column) else { continue };
                let wanted = |slot: &Slot| {
                    let all = neighbours.get(slot).map(|(left, right)| if rightwards { left } else { right });
                    let places: Vec<f64> = all.into_iter().flatten().filter_map(|n| places.get(n).copied()).collect();
                    let sum: f64 = places.iter().sum();
                    (!places.is_empty()).then(|| sum / places.len() as f64)
                };
                // Who has no neighbours there keeps about its place.
                let mut keyed: Vec<(usize, f64, Slot)> = column
                    .iter()
                    .zip(0u32..)
                    .map(|((band, slot), at)| (*band, wanted(slot).unwrap_or(f64::from(at)), *slot))
                    .collect();
                keyed.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
                *column = keyed.into_iter().map(|(band, _, slot)| (band, slot)).collect();
            }
        }
    }
}
