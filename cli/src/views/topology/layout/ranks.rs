//! Which column each node is in: one further than whoever calls it.

use super::super::graph::Graph;

/// Columns of nodes. Circles are opened: a link that closes one counts as if it led the other way.
pub(super) struct Ranks {
    ranks: Vec<usize>,
    reversed: Vec<bool>,
}

/// How far the search for circles is with a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    NotYet,
    OnTheWay,
    Done,
}

impl Ranks {
    pub(super) fn of(graph: &Graph) -> Self {
        let reversed = circles(graph);
        let mut ranks = vec![0; graph.nodes.len()];
        // Each round settles at least one more column; without circles there are no more columns than nodes.
        for _ in 0..graph.nodes.len() {
            let mut changed = false;
            for (link, reversed) in graph.links.iter().zip(&reversed) {
                let (from, to) = if *reversed { (link.to, link.from) } else { (link.from, link.to) };
                let next = ranks.get(from).map_or(0, |rank| rank + 1);
                if let Some(rank) = ranks.get_mut(to).filter(|rank| from != to && **rank < next) {
                    *rank = next;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        Self { ranks, reversed }
    }

    pub(super) fn rank(&self, node: usize) -> usize {
        self.ranks.get(node).copied().unwrap_or_default()
    }

    pub(super) fn reversed(&self, link: usize) -> bool {
        self.reversed.get(link).copied().unwrap_or_default()
    }
}

/// By link: does it lead back to where the search came from? Whoever isn't called is searched from first.
fn circles(graph: &Graph) -> Vec<bool> {
    let mut reversed = vec![false; graph.links.len()];
    let mut found = vec![Search::NotYet; graph.nodes.len()];
    let called: Vec<bool> =
        (0..graph.nodes.len()).map(|n| graph.links.iter().any(|l| l.to == n && l.from != n)).collect();
    let (roots, others): (Vec<usize>, Vec<usize>) =
        (0..graph.nodes.len()).partition(|node| called.get(*node) == Some(&false));
    for root in roots.into_iter().chain(others) {
        if found.get(root) == Some(&Search::NotYet) {
            search(graph, root, &mut found, &mut reversed);
        }
    }
    reversed
}

fn search(graph: &Graph, root: usize, found: &mut [Search], reversed: &mut [bool]) {
    let out = |node: usize| -> Vec<usize> {
        let links = graph.links.iter().enumerate().filter(|(_, link)| link.from == node && link.to != node);
        links.map(|(at, _)| at).rev().collect()
    };
    let set = |found: &mut [Search], node: usize, state| {
        if let Some(found) = found.get_mut(node) {
            *found = state;
        }
    };
    set(found, root, Search::OnTheWay);
    let mut stack = vec![(root, out(root))];
    while let Some((node, links)) = stack.last_mut() {
        let Some(at) = links.pop() else {
            set(found, *node, Search::Done);
            stack.pop();
            continue;
        };
        let Some(to) = graph.links.get(at).map(|link| link.to) else { continue };
        match found.get(to) {
            Some(Search::NotYet) => {
                set(found, to, Search::OnTheWay);
                stack.push((to, out(to)));
            }
            Some(Search::OnTheWay) => {
                if let Some(reversed) = reversed.get_mut(at) {
                    *reversed = true;
                }
            }
            Some(Search::Done) | None => {}
        }
    }
}
