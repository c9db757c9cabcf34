//! A topology as a picture. Names are data: whatever is in them, it is text in the picture.

mod path;

use std::fmt::Write as _;

use super::{
    graph::Graph,
    layout::{Layout, NODE_HEIGHT},
};
use crate::views::figures::Fare;

/// Of a character of a node's name, about.
const CHARACTER: f64 = 7.6;
/// Characters of a name that are drawn; the whole is in the tooltip.
const LONGEST: usize = 32;
const NARROWEST: f64 = 110.0;
const THINNEST: f64 = 1.5;
const THICKEST: f64 = 5.0;

/// Legible on light and on dark pages: it brings its own background, by what the reader prefers. Without variables, which not
/// every program that draws SVG knows.
const STYLE: &str = "\
text{font:13px ui-sans-serif,system-ui,sans-serif}.mesh{font-weight:600}.link,.band{fill:none}.band{stroke-dasharray:4 4}
.label{font-size:11px;stroke-width:3px;paint-order:stroke;stroke-linejoin:round}
.bg{fill:#fff}text{fill:#1c2430}.node{fill:#f3f6fa;stroke:#9fb0c3}.band{stroke:#9fb0c3}.mesh,.label{fill:#5b6675}.label{stroke:#fff}
.link.well{stroke:#4b7fb3}.link.warn{stroke:#b26a00}.link.bad{stroke:#c62828}
.head.well{fill:#4b7fb3}.head.warn,.label.warn{fill:#b26a00}.head.bad,.label.bad{fill:#c62828}
@media(prefers-color-scheme:dark){
.bg{fill:#12171e}text{fill:#e6ebf2}.node{fill:#1c2530;stroke:#4a5a6c}.band{stroke:#4a5a6c}.mesh,.label{fill:#9aa7b8}.label{stroke:#12171e}
.link.well{stroke:#79abe0}.link.warn{stroke:#ffb74d}.link.bad{stroke:#ff7b72}
.head.well{fill:#79abe0}.head.warn,.label.warn{fill:#ffb74d}.head.bad,.label.bad{fill:#ff7b72}
}
";

pub(super) fn svg(graph: &Graph) -> String {
    let labels: Vec<String> = (0..graph.nodes.len()).map(|node| graph.label(node)).collect();
    let widest = labels.iter().map(|label| label.chars().count().min(LONGEST)).max().unwrap_or_default();
    let layout = Layout::of(graph, (widest as f64 * CHARACTER + 24.0).max(NARROWEST));
    let (width, height) = (layout.width, layout.height);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n<title>Who calls whom</title>\n<style>\n{STYLE}</style>\n<rect class=\"bg\" width=\"100%\" height=\"100%\"/>\n"
    );
    bands(&mut out, &layout);
    links(&mut out, graph, &layout);
    for ((corner, label), node) in layout.nodes.iter().zip(&labels).zip(&graph.nodes) {
        let Some((x, y)) = corner else { continue };
        let (middle, base) = (x + layout.node_width / 2.0, y + NODE_HEIGHT / 2.0 + 4.5);
        // Writing to a String can't fail, here and below.
        let _ = writeln!(
            out,
            "<g><title>{} {}</title><rect class=\"node\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{NODE_HEIGHT}\" rx=\"7\"/><text x=\"{middle:.1}\" y=\"{base:.1}\" text-anchor=\"middle\">{}</text></g>",
            escaped(&node.kind),
            escaped(&node.to_string()),
            layout.node_width,
            escaped(&shortened(label)),
        );
    }
    out + "</svg>\n"
}

/// A frame for each mesh, where there are several.
fn bands(out: &mut String, layout: &Layout) {
    if layout.bands.len() < 2 {
        return;
    }
    for band in &layout.bands {
        let name = band.mesh.as_deref().unwrap_or("this mesh");
        let _ = writeln!(
            out,
            "<rect class=\"band\" x=\"12\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"10\"/><text class=\"mesh\" x=\"26\" y=\"{:.1}\">{}</text>",
            band.y,
            layout.width - 24.0,
            band.height,
            band.y + 20.0,
            escaped(name),
        );
    }
}

/// Lines first, then what is written on them: no line hides a label.
fn links(out: &mut String, graph: &Graph, layout: &Layout) {
    let most = graph.links.iter().map(|link| link.figures.rps).fold(0.0, f64::max);
    let mut labels = String::new();
    for (link, route) in graph.links.iter().zip(&layout.routes) {
        let class = match Fare::of(link.figures.success_rate) {
            Fare::Well => "well",
            Fare::NotQuite => "warn",
            Fare::Badly => "bad",
        };
        let share = if most > 0.0 { link.figures.rps / most } else { 0.0 };
        let stroke = THINNEST + (THICKEST - THINNEST) * share.clamp(0.0, 1.0).sqrt();
        let drawn = path::Path::of(route, layout.node_width, fan(graph, link.from, link.to));
        let _ = writeln!(
            out,
            "<path class=\"link {class}\" stroke-width=\"{stroke:.1}\" d=\"{}\"/><path class=\"head {class}\" d=\"{}\"/>",
            drawn.line, drawn.head
        );
        let (x, y) = drawn.label;
        let _ = writeln!(
            labels,
            "<text class=\"label {class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>",
            escaped(&link.figures.brief())
        );
    }
    out.push_str(&labels);
}

/// Has the caller more links than the callee? Then labels are apart near the callee, else near the caller.
fn fan(graph: &Graph, from: usize, to: usize) -> bool {
    let out = graph.links.iter().filter(|link| link.from == from).count();
    out >= graph.links.iter().filter(|link| link.to == to).count()
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LONGEST {
        return label.to_owned();
    }
    let kept: String = label.chars().take(LONGEST - 1).collect();
    kept + "…"
}

/// Text for XML, whether in an element or an attribute.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        // XML has no such characters, not even escaped.
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => "\u{fffd}".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::graph;
    use super::*;

    #[test]
    fn a_name_stays_text() {
        let evil = "</text><script>alert('x')</script>";
        let text = svg(&graph(&[(evil, "a\" onload=\"alert(1)"), ("a\u{1}b", "east<&:c")]));
        assert!(!text.contains("<script") && !text.contains("onload=\"") && !text.contains('\u{1}'), "{text}");
        assert!(text.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"), "{text}");
        // Every tag is one of ours.
        let ours = ["svg", "/svg", "title", "/title", "style", "/style", "rect", "text", "/text", "path", "g", "/g"];
        let tags = text.split('<').skip(1).map(|tag| tag.split([' ', '>']).next().unwrap());
        tags.for_each(|tag| assert!(ours.contains(&tag), "{tag}"));
    }

    #[test]
    fn the_same_traffic_is_the_same_picture() {
        let pairs = [("web", "catalog"), ("catalog", "web"), ("web", "east:store"), ("web", "web")];
        let mut turned = pairs;
        turned.reverse();
        assert_eq!(svg(&graph(&pairs)), svg(&graph(&turned)));
    }

    #[test]
    fn links_and_labels_are_all_there() {
        let text = svg(&graph(&[("web", "catalog"), ("web", "web"), ("catalog", "web")]));
        assert_eq!(text.matches("class=\"link well\"").count(), 3);
        assert_eq!(text.matches(">10.0/s 100.00% p99 4.00 ms<").count(), 3);
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    #[test]
    fn long_names_are_shortened_but_told_whole() {
        let long = "x".repeat(60);
        let text = svg(&graph(&[("web", &long)]));
        assert!(text.contains(&format!("<title>Deployment {long}</title>")), "{text}");
        assert!(text.contains(&format!(">{}…<", "x".repeat(31))), "{text}");
    }
}
