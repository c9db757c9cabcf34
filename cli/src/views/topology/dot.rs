//! A topology for Graphviz.

use std::fmt::Write as _;

use super::graph::Graph;
use crate::views::figures::Fare;

pub(super) fn dot(graph: &Graph) -> String {
    let mut out = String::from("digraph topology {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n");
    for (number, (mesh, nodes)) in graph.meshes().into_iter().enumerate() {
        let indent = if let Some(mesh) = mesh {
            // Writing to a String can't fail.
            let _ = writeln!(out, "  subgraph cluster_{number} {{\n    label={};", quoted(mesh));
            "    "
        } else {
            "  "
        };
        for node in nodes {
            let _ = writeln!(out, "{indent}n{node} [label={}];", quoted(&graph.label(node)));
        }
        if mesh.is_some() {
            out += "  }\n";
        }
    }
    for link in &graph.links {
        let colour = match Fare::of(link.figures.success_rate) {
            Fare::Well => "",
            Fare::NotQuite => ", color=orange",
            Fare::Badly => ", color=red",
        };
        let _ = writeln!(out, "  n{} -> n{} [label={}{colour}];", link.from, link.to, quoted(&link.figures.brief()));
    }
    out + "}\n"
}

/// A string of DOT. A backslash begins an escape there, and a bracket mustn't make it HTML: it isn't, within quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::graph;
    use super::*;

    #[test]
    fn meshes_are_clusters() {
        let expected = r#"digraph topology {
  rankdir=LR;
  node [shape=box, style=rounded];
  n0 [label="web"];
  subgraph cluster_1 {
    label="east";
    n1 [label="catalog"];
  }
  n0 -> n1 [label="10.0/s 100.00% p99 4.00 ms"];
}
"#;
        assert_eq!(dot(&graph(&[("shop/web", "east:shop/catalog")])), expected);
    }

    #[test]
    fn a_name_stays_a_name() {
        let text = dot(&graph(&[("a\"]; evil [x=\"", "b\\")]));
        assert!(text.contains(r#"[label="a\"]; evil [x=\""];"#), "{text}");
        assert!(text.contains(r#"[label="b\\"];"#), "{text}");
    }
}
