//! A topology for Markdown pages.

use std::fmt::Write as _;

use super::graph::Graph;

pub(super) fn mermaid(graph: &Graph) -> String {
    let mut out = String::from("flowchart LR\n");
    for (number, (mesh, nodes)) in graph.meshes().into_iter().enumerate() {
        let indent = if let Some(mesh) = mesh {
            // Writing to a String can't fail.
            let _ = writeln!(out, "  subgraph m{number} [\"{}\"]", escaped(mesh));
            "    "
        } else {
            "  "
        };
        for node in nodes {
            let _ = writeln!(out, "{indent}n{node}[\"{}\"]", escaped(&graph.label(node)));
        }
        if mesh.is_some() {
            out += "  end\n";
        }
    }
    for link in &graph.links {
        let _ = writeln!(out, "  n{} -->|\"{}\"| n{}", link.from, escaped(&link.figures.brief()), link.to);
    }
    out
}

/// Text within quotes: Mermaid's escapes are numbers of characters, and what it reads as Markdown or HTML becomes one.
fn escaped(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '.' | '/' | ':' | '%' | '(' | ')');
    text.chars().map(|c| if plain(c) { c.to_string() } else { format!("#{};", u32::from(c)) }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::graph;
    use super::*;

    #[test]
    fn meshes_are_subgraphs() {
        let expected = "flowchart LR
  n0[\"web\"]
  subgraph m1 [\"east\"]
    n1[\"catalog\"]
  end
  n0 -->|\"10.0/s 100.00% p99 4.00 ms\"| n1
";
        assert_eq!(mermaid(&graph(&[("shop/web", "east:shop/catalog")])), expected);
    }

    #[test]
    fn a_name_stays_a_name() {
        let text = mermaid(&graph(&[("<img src=x onerror=alert(1)>", "a\"`] --> b")]));
        assert!(text.contains("n0[\"#60;img src#61;x onerror#61;alert(1)#62;\"]"), "{text}");
        assert!(text.contains("n1[\"a#34;#96;#93; --#62; b\"]"), "{text}");
    }
}
