//! A topology as a tree: who isn't called stands at the root, and below each whom it calls.

use super::graph::{Graph, Link};
use crate::{
    output::Column,
    views::figures::{self, Figures, Measured},
};

/// A line: its branches and name, and how the call of its parent goes.
struct Line<'a> {
    text: String,
    figures: Option<&'a Figures>,
}

impl Measured for Line<'_> {
    fn figures(&self) -> Option<&Figures> {
        self.figures
    }
}

/// For people.
pub(super) fn tree(graph: &Graph, colour: bool) -> String {
    let mut lines = Vec::new();
    let mut seen = vec![false; graph.nodes.len()];
    // Then who is called, but only in a circle.
    for root in roots(graph).into_iter().chain(0..graph.nodes.len()) {
        if graph.from(root).next().is_some() && !seen.get(root).is_none_or(|seen| *seen) {
            below(graph, root, &mut seen, &mut lines);
        }
    }
    let heading: Column<Line<'_>> = ("NAME", |line| line.text.clone());
    let mut text = if lines.is_empty() { String::new() } else { figures::table(&lines, vec![heading], colour) };
    let idle = graph.busy().into_iter().enumerate().filter(|(_, busy)| !busy);
    let idle: Vec<String> = idle.map(|(node, _)| name(graph, node)).collect();
    if !idle.is_empty() {
        text += &format!("{}No traffic: {}\n", if lines.is_empty() { "" } else { "\n" }, idle.join(", "));
    }
    text
}

/// Whom nobody else calls that is known; probes of the cluster, above all, come from nowhere. Unknown ones come last.
fn roots(graph: &Graph) -> Vec<usize> {
    let calls = |link: &Link, node: usize| link.to == node && link.from != node && !graph.unknown(link.from);
    let called = |node: usize| graph.links.iter().any(|link| calls(link, node));
    let (unknown, known): (Vec<usize>, Vec<usize>) =
        (0..graph.nodes.len()).filter(|node| !called(*node)).partition(|node| graph.unknown(*node));
    known.into_iter().chain(unknown).collect()
}

/// A branch that is still to be drawn.
struct Branch<'a> {
    link: &'a Link,
    /// What stands before it.
    prefix: String,
    last: bool,
    depth: usize,
}

/// The tree below a root. By a stack of its own: chains of calls may be long.
fn below<'a>(graph: &'a Graph, root: usize, seen: &mut [bool], lines: &mut Vec<Line<'a>>) {
    lines.push(Line { text: name(graph, root), figures: None });
    mark(seen, root);
    let mut path = vec![root];
    let mut stack: Vec<Branch<'a>> = branches(graph, root, "", 1);
    while let Some(Branch { link, prefix, last, depth }) = stack.pop() {
        path.truncate(depth);
        let circle = path.contains(&link.to);
        let repeated = !mark(seen, link.to) && graph.from(link.to).next().is_some();
        let note = match (circle, repeated) {
            (true, _) => " (in a circle)",
            (false, true) => " (see above)",
            (false, false) => "",
        };
        let bend = if last { "└─ " } else { "├─ " };
        lines
            .push(Line { text: format!("{prefix}{bend}{}{note}", name(graph, link.to)), figures: Some(&link.figures) });
        if note.is_empty() {
            path.push(link.to);
            let prefix = prefix + if last { "   " } else { "│  " };
            stack.extend(branches(graph, link.to, &prefix, depth + 1));
        }
    }
}

/// Of a node, in the order in which a stack gives them back.
fn branches<'a>(graph: &'a Graph, node: usize, prefix: &str, depth: usize) -> Vec<Branch<'a>> {
    let links = graph.from(node).rev().enumerate();
    links.map(|(at, link)| Branch { link, prefix: prefix.to_owned(), last: at == 0, depth }).collect()
}

/// Was it seen for the first time?
fn mark(seen: &mut [bool], node: usize) -> bool {
    seen.get_mut(node).is_some_and(|seen| !std::mem::replace(seen, true))
}

fn name(graph: &Graph, node: usize) -> String {
    let mesh = graph.nodes.get(node).and_then(|n| n.mesh.as_deref());
    mesh.map_or_else(|| graph.label(node), |mesh| format!("{mesh}: {}", graph.label(node)))
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::{graph, named, sample};
    use super::*;
    use crate::views::{api::Side, gather::Gathered};

    /// The tree alone, without its figures.
    fn drawn(pairs: &[(&str, &str)]) -> String {
        let text = tree(&graph(pairs), false);
        let cut = |line: &str| line.split("   1").next().unwrap_or_default().trim_end().to_owned();
        text.lines().skip(1).map(cut).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn who_isnt_called_stands_at_the_root() {
        let edges = vec![
            sample("web", "catalog", Side::Client, 99.0, 1.0),
            sample("web", "orders", Side::Client, 20.0, 0.0),
            sample("orders", "store", Side::Client, 20.0, 0.0),
        ];
        let graph = Graph::of(Gathered { items: vec![named("batch")], edges });
        let expected = "\
NAME          SUCCESS   RPS      P50       P90       P99
web
├─ catalog    99.00%    10.0/s   1.00 ms   2.00 ms   4.00 ms
└─ orders     100.00%   2.00/s   1.00 ms   2.00 ms   4.00 ms
   └─ store   100.00%   2.00/s   1.00 ms   2.00 ms   4.00 ms

No traffic: batch
";
        assert_eq!(tree(&graph, false), expected);
    }

    #[test]
    fn what_is_called_twice_is_drawn_once() {
        let seen = drawn(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e")]);
        assert_eq!(seen, "a\n├─ b\n│  └─ d\n│     └─ e\n└─ c\n   └─ d (see above)");
    }

    #[test]
    fn whom_only_strangers_call_stands_at_the_root_too() {
        let seen = drawn(&[("", "web"), ("", "catalog"), ("web", "catalog")]);
        assert_eq!(seen, "web\n└─ catalog\n(unknown)\n├─ catalog\n└─ web (see above)");
    }

    #[test]
    fn circles_end() {
        assert_eq!(drawn(&[("a", "b"), ("b", "c"), ("c", "b")]), "a\n└─ b\n   └─ c\n      └─ b (in a circle)");
        assert_eq!(drawn(&[("a", "b"), ("b", "a")]), "a\n└─ b\n   └─ a (in a circle)");
        assert_eq!(drawn(&[("a", "a")]), "a\n└─ a (in a circle)");
    }

    #[test]
    fn peers_in_other_meshes_say_where_they_are() {
        assert_eq!(drawn(&[("shop/web", "east:shop/catalog")]), "web\n└─ east: catalog");
    }

    #[test]
    fn a_long_chain_is_no_deep_recursion() {
        let names: Vec<String> = (0..3000).map(|n| format!("{n:05}")).collect();
        let pairs: Vec<(&str, &str)> = names.windows(2).map(|w| (w[0].as_str(), w[1].as_str())).collect();
        assert_eq!(tree(&graph(&pairs), false).lines().count(), 3001);
    }
}
