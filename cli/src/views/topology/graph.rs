//! What calls what, each pair once.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::views::{
    api::{Ref, Sample, Side},
    figures::Figures,
    gather::Gathered,
};

/// Nodes and links, both in the order of their names.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Ref>,
    #[serde(rename = "edges")]
    pub(super) links: Vec<Link>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Link {
    /// Which of the nodes.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Where it was measured.
    pub(super) side: Side,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

/// Kinds of those whom nobody knows by name: who calls from somewhere, and what is called somewhere, needn't be one.
const CALLER: &str = "UnknownCaller";
const CALLEE: &str = "UnknownCallee";

impl Graph {
    pub(super) fn of(gathered: Gathered) -> Self {
        // Both ends have measured it; what counts is what the caller got.
        let mut best: BTreeMap<(Ref, Ref), &Sample> = BTreeMap::new();
        for sample in gathered.edges.iter().filter(|s| s.golden.requests() > 0.0) {
            let (from, to) = sample.ends();
            let key = (known(from, CALLER), known(to, CALLEE));
            let there = best.entry(key).or_insert(sample);
            if sample.edge.side < there.edge.side {
                *there = sample;
            }
        }
        let ends = best.keys().flat_map(|(from, to)| [from, to]).chain(&gathered.items);
        let numbers: BTreeMap<&Ref, usize> = ends.map(|end| (end, 0)).collect();
        let numbers: BTreeMap<&Ref, usize> = numbers.into_keys().enumerate().map(|(at, end)| (end, at)).collect();
        let link = |((from, to), sample): (&(Ref, Ref), &&Sample)| {
            let (from, to) = (*numbers.get(from)?, *numbers.get(to)?);
            Some(Link { from, to, side: sample.edge.side, figures: Figures::from(&sample.golden) })
        };
        let links = best.iter().filter_map(link).collect();
        Self { links, nodes: numbers.into_keys().cloned().collect() }
    }

    /// Is there nothing to draw?
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Its links, in the order of whom they lead to.
    pub(super) fn from(&self, node: usize) -> impl DoubleEndedIterator<Item = &Link> {
        self.links.iter().filter(move |link| link.from == node)
    }

    /// Is it somebody whom nobody knows by name?
    pub(super) fn unknown(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| node.name.is_empty())
    }

    /// By node: does it call, or is it called?
    pub(super) fn busy(&self) -> Vec<bool> {
        let mut busy = vec![false; self.nodes.len()];
        for end in self.links.iter().flat_map(|link| [link.from, link.to]) {
            if let Some(busy) = busy.get_mut(end) {
                *busy = true;
            }
        }
        busy
    }

    /// The busy nodes by mesh, this one's first.
    pub(super) fn meshes(&self) -> BTreeMap<Option<&str>, Vec<usize>> {
        let mut meshes: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, (node, busy)) in self.nodes.iter().zip(self.busy()).enumerate() {
            if busy {
                meshes.entry(node.mesh.as_deref()).or_default().push(at);
            }
        }
        meshes
    }

    /// A node's name where its mesh is told otherwise; with its namespace if there are several.
    pub(super) fn label(&self, node: usize) -> String {
        let Some(node) = self.nodes.get(node) else { return String::new() };
        let mut named = self.nodes.iter().filter(|n| !n.namespace.is_empty());
        let several = named.next().is_some_and(|first| named.any(|n| n.namespace != first.namespace));
        let namespace = if several { node.namespace.clone() } else { String::new() };
        Ref { mesh: None, namespace, ..node.clone() }.to_string()
    }
}

fn known(end: &Ref, otherwise: &str) -> Ref {
    let kind = if end.name.is_empty() { otherwise } else { &end.kind };
    Ref { kind: kind.to_owned(), ..end.clone() }
}

#[cfg(test)]
pub(super) mod tests;
